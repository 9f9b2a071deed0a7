// Package official names the official conformance suite, so that go.mod and go.sum pin it; nothing of it is linked.
package official

import _ "github.com/opencontainers/distribution-spec/conformance"

// Package spegel stands in for the one of k3s.
package spegel

// DefaultRegistry has no address, as in k3s without --embedded-registry.
var DefaultRegistry struct{ InternalAddress, RegistryPort string }

# Everything runs on the Node.js that npm installs here, whatever the machine has: npm puts it first in the path.
.PHONY: run test build bench clean config install uninstall kind-up kind-down k3d-up k3d-down deploy test-deploy test-image test-parsers test-conformance

run: node_modules/.package-lock.json
	npm start --silent

test: node_modules/.package-lock.json
	npm test --silent

build: node_modules/.package-lock.json
	npm run --silent build

bench: node_modules/.package-lock.json
	npm run --silent bench

# A service of systemd. `make config` asks, or takes what `deploy/systemd/configure.sh --help` lists; PREFIX and DESTDIR are for install.
config: node_modules/.package-lock.json
	@npm exec --call deploy/systemd/configure.sh

install: build
	@npm exec --call deploy/systemd/install.sh

uninstall:
	@deploy/systemd/install.sh --uninstall

# A cache in docker, and a cluster that pulls through it; variables are in the scripts.
kind-up:
	@deploy/kind/kind.sh up

kind-down:
	@deploy/kind/kind.sh down

k3d-up:
	@deploy/k3d/k3d.sh up

k3d-down:
	@deploy/k3d/k3d.sh down

# Applies the manifests of deploy/kubernetes; without variables it says which there are.
deploy:
	@deploy/kubernetes/deploy.sh

# What is in deploy/ by kustomize, helm and the types of the Kubernetes API; Go builds the tools that are missing.
# WRITE=yes writes the golden files anew.
test-deploy: node_modules/.package-lock.json
	npm exec -- node test/deploy/main.ts $(if $(filter yes,$(WRITE)),--write)

# The image of deploy/docker, built by buildah and run by dockerd; it takes root, and these.
test-image: node_modules/.package-lock.json
	npm exec --call test/deploy/image.sh

# What is generated for clients, read by dockerd and kubectl (those of this machine, or of a Debian 13 that are fetched), and by
# the Go code of those that are no program by themselves, which takes Go and its modules. GO=no leaves the latter out.
test-parsers: node_modules/.package-lock.json
	npm exec -- node --test --test-concurrency=1 test/parsers/programs.ts $(if $(filter no,$(GO)),,test/parsers/parsers.ts test/parsers/clusters.ts)

# The official conformance suite, against Entrepot, which takes Go and its modules; docs/conformance.md has what came of it.
# WRITE=yes writes that anew.
test-conformance: node_modules/.package-lock.json
	npm exec -- node test/conformance/official/main.ts $(if $(filter yes,$(WRITE)),--write)

# npm writes this file last, so it is there, and newer than the lock file, only after a whole install.
node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf node_modules dist

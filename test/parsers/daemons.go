package main

import (
	"os"

	docker "github.com/docker/docker/daemon/config"
	"github.com/docker/docker/opts"
	"github.com/docker/docker/registry"
	buildkit "github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/spf13/pflag"
)

// daemon.json, as `dockerd --validate` and the start of its registry service take it, with the flags that are about those.
func readDaemonJSON(arguments []string) (any, error) {
	base, err := docker.New()
	if err != nil {
		return nil, err
	}
	flags := pflag.NewFlagSet("dockerd", pflag.ContinueOnError)
	flags.Var(opts.NewNamedListOptsRef("registry-mirrors", &base.Mirrors, registry.ValidateMirror), "registry-mirror", "")
	flags.Var(opts.NewNamedListOptsRef("insecure-registries", &base.InsecureRegistries, registry.ValidateIndexName), "insecure-registry", "")
	understood, err := docker.MergeDaemonConfigurations(base, flags, arguments[0])
	if err != nil {
		return nil, err
	}
	if err := docker.Validate(understood); err != nil {
		return nil, err
	}
	service, err := registry.NewService(understood.ServiceOptions)
	if err != nil {
		return nil, err
	}
	return service.ServiceConfig(), nil
}

// buildkitd.toml, by BuildKit's own types.
func readBuildkitd(arguments []string) (any, error) {
	file, err := os.Open(arguments[0])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	understood, err := buildkit.Load(file)
	return understood.Registries, err
}

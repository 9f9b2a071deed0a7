package containerd

import (
	"github.com/k3s-io/k3s/pkg/agent/templates"
	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/rancher/wharfie/pkg/registries"
)

// WriteHosts writes a folder of hosts.toml for a registries.yaml, by the function that k3s calls when it starts.
func WriteHosts(registriesPath, folder string, noDefaultEndpoint bool) error {
	read, err := registries.GetPrivateRegistries(registriesPath)
	if err != nil {
		return err
	}
	node := &config.Node{Containerd: config.Containerd{Registry: folder}}
	return writeContainerdHosts(node, templates.ContainerdConfig{
		PrivateRegistryConfig: read.Registry,
		NoDefaultEndpoint:     noDefaultEndpoint,
	})
}

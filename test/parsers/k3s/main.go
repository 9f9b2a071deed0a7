// Writes hosts.toml for a registries.yaml with the code of k3s, and prints as JSON what its containerd asks then:
// `k3s-hosts REGISTRIES_YAML FOLDER REGISTRY…`; K3S_NO_DEFAULT=1 is --disable-default-registry-endpoint.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/containerd/containerd/remotes/docker"
	"github.com/containerd/containerd/remotes/docker/config"
	"github.com/k3s-io/k3s/pkg/agent/containerd"
)

func main() {
	asked, err := ask(os.Args[1], os.Args[2], os.Args[3:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(asked)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type host struct {
	Address string `json:"address"`
	Pull    bool   `json:"pull"`
	Resolve bool   `json:"resolve"`
	// Whether it is checked by an authority of its own.
	Authority bool `json:"authority"`
}

func ask(registriesPath, folder string, names []string) (map[string][]host, error) {
	if err := containerd.WriteHosts(registriesPath, folder, os.Getenv("K3S_NO_DEFAULT") == "1"); err != nil {
		return nil, err
	}
	asked := map[string][]host{}
	for _, name := range names {
		options := config.HostOptions{HostDir: config.HostDirFromRoot(folder)}
		found, err := config.ConfigureHosts(context.Background(), options)(name)
		if err != nil {
			return nil, err
		}
		for _, each := range found {
			asked[name] = append(asked[name], host{
				Address:   each.Scheme + "://" + each.Host + each.Path,
				Pull:      each.Capabilities.Has(docker.HostCapabilityPull),
				Resolve:   each.Capabilities.Has(docker.HostCapabilityResolve),
				Authority: hasAuthority(each.Client),
			})
		}
	}
	return asked, nil
}

func hasAuthority(client *http.Client) bool {
	transport, ok := client.Transport.(*http.Transport)
	return ok && transport.TLSClientConfig != nil && transport.TLSClientConfig.RootCAs != nil
}

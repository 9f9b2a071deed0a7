// Reads what Entrepot generates with the code of the programs that it is for, and prints as JSON what that has understood.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/pelletier/go-toml"
	"github.com/rancher/wharfie/pkg/registries"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	k8syaml "sigs.k8s.io/yaml"
)

// Parsers by name: each is given what follows its name on the command line.
var parsers = map[string]func(arguments []string) (any, error){
	"hosts":      readHosts,
	"registries": readRegistries,
	"kind":       readKind,
	"configmap":  readConfigMap,
	"docker":     readDaemonJSON,
	"buildkit":   readBuildkitd,
}

func main() {
	if len(os.Args) < 3 || parsers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: parsers hosts|registries|kind|configmap|docker|buildkit FILE…")
		os.Exit(2)
	}
	understood, err := parsers[os.Args[1]](os.Args[2:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(understood)
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
	Push    bool   `json:"push"`
}

// What containerd asks, in this order, for a registry by a config_path: `hosts CONFIG_PATH REGISTRY`.
func readHosts(arguments []string) (any, error) {
	options := config.HostOptions{HostDir: config.HostDirFromRoot(arguments[0])}
	found, err := config.ConfigureHosts(context.Background(), options)(arguments[1])
	if err != nil {
		return nil, err
	}
	hosts := []host{}
	for _, each := range found {
		hosts = append(hosts, host{
			Address: each.Scheme + "://" + each.Host + each.Path,
			Pull:    each.Capabilities.Has(docker.HostCapabilityPull),
			Resolve: each.Capabilities.Has(docker.HostCapabilityResolve),
			Push:    each.Capabilities.Has(docker.HostCapabilityPush),
		})
	}
	return hosts, nil
}

// registries.yaml by the types of k3s, RKE2 and k3d, with no key that these do not have.
func readRegistries(arguments []string) (any, error) {
	understood := registries.Registry{}
	return understood, decodeStrictly(arguments[0], &understood)
}

type cluster struct {
	v1alpha4.Cluster
	// The patches, as kind reads them.
	Patches []map[string]any `json:"patches"`
}

// The configuration of a kind cluster, by its own types.
func readKind(arguments []string) (any, error) {
	understood := cluster{}
	if err := decodeStrictly(arguments[0], &understood.Cluster); err != nil {
		return nil, err
	}
	for _, patch := range understood.ContainerdConfigPatches {
		tree, err := toml.Load(patch)
		if err != nil {
			return nil, err
		}
		understood.Patches = append(understood.Patches, tree.ToMap())
	}
	return understood, nil
}

func readConfigMap(arguments []string) (any, error) {
	text, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	understood := corev1.ConfigMap{}
	return &understood, k8syaml.UnmarshalStrict(text, &understood)
}

func decodeStrictly(path string, into any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	return decoder.Decode(into)
}

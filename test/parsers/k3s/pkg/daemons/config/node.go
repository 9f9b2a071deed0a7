// Package config stands in for the one of k3s, of which the code that writes hosts.toml needs no more than this.
package config

// Node has the paths of containerd's configuration on a node.
type Node struct {
	Containerd Containerd
}

// Containerd has what is written where.
type Containerd struct {
	Config   string
	Template string
	Registry string
}

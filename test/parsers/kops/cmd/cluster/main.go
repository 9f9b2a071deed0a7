// Reads the specification of a cluster with the code of kops, and prints it as kops would keep it, as JSON.
package main

import (
	"fmt"
	"os"

	"k8s.io/kops/pkg/apis/kops/v1alpha2"
	"k8s.io/kops/pkg/kopscodecs"
	"sigs.k8s.io/yaml"
)

func main() {
	kept, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(kept))
}

// As `kops replace` reads it, which says nothing of keys that it does not have; those are refused here.
func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalStrict(text, &v1alpha2.Cluster{}); err != nil {
		return nil, err
	}
	cluster, _, err := kopscodecs.Decode(text, nil)
	if err != nil {
		return nil, err
	}
	return kopscodecs.ToVersionedJSON(cluster)
}

// Decodes every document of the given files into the types of the Kubernetes API, strictly: a field that does not exist,
// or is of another type, is an error. The types are those of Kubernetes 1.30, the oldest that the manifests are for.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"v1/ConfigMap":                            func() any { return new(core.ConfigMap) },
	"v1/Service":                              func() any { return new(core.Service) },
	"v1/ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"apps/v1/Deployment":                      func() any { return new(apps.Deployment) },
	"apps/v1/StatefulSet":                     func() any { return new(apps.StatefulSet) },
	"networking.k8s.io/v1/Ingress":            func() any { return new(networking.Ingress) },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
}

func main() {
	failed := false
	count := 0
	for _, path := range os.Args[1:] {
		checked, problems := checkFile(path)
		count += checked
		for _, problem := range problems {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, problem)
		}
	}
	if failed || count == 0 {
		os.Exit(1)
	}
	fmt.Printf("%d documents are of the Kubernetes API\n", count)
}

func checkFile(path string) (int, []error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, []error{err}
	}
	defer file.Close()
	var problems []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for count := 0; ; count++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return count, problems
		}
		if err == nil {
			err = check(document)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
}

func check(document []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	make, known := kinds[head.APIVersion+"/"+head.Kind]
	if !known {
		return fmt.Errorf("%s %s is of a kind that this program does not know", head.APIVersion, head.Kind)
	}
	if err := yaml.UnmarshalStrict(document, make()); err != nil {
		return fmt.Errorf("%s %q: %w", head.Kind, head.Metadata.Name, err)
	}
	return nil
}

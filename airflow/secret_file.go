package airflow

import (
	"fmt"
	"os"
	"strings"

	promconfig "github.com/prometheus/common/config"
)

// readSecret reads a file that holds a secret. An empty one is an error: it is
// about to be replaced, or was never filled, and must not be sent.
func readSecret(key, path string) (string, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator says which file
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", key)
	}
	return secret, nil
}

// secretFiles are files whose content the HTTP client sends, as it is, with each request, by key.
type secretFiles map[string]string

func secretFilesOf(h *promconfig.HTTPClientConfig) secretFiles {
	files := secretFiles{}
	if h.Authorization != nil && h.Authorization.CredentialsFile != "" {
		files["airflow.http_client.authorization.credentials_file"] = h.Authorization.CredentialsFile
	}
	if h.BasicAuth != nil && h.BasicAuth.PasswordFile != "" {
		files["airflow.http_client.basic_auth.password_file"] = h.BasicAuth.PasswordFile
	}
	return files
}

// check keeps a request from being sent with an empty secret.
func (f secretFiles) check(k *call) error {
	for key, path := range f {
		if _, err := readSecret(key, path); err != nil {
			return k.errorf(ClassAuth, err, "%v", err)
		}
	}
	return nil
}

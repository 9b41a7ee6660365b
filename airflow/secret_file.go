package airflow

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
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

// Secrets are what the files that hold the client's secrets hold, as a digest.
type Secrets [sha256.Size]byte

// Secrets reads these files. Who sees that they changed knows that whether
// Airflow accepts them is not known.
func (c *Client) Secrets() Secrets {
	digest := sha256.New()
	for _, path := range c.watched {
		content, err := os.ReadFile(path) //nolint:gosec // the operator says which file
		_, _ = fmt.Fprintf(digest, "%q %v\n", content, err)
	}
	return Secrets(digest.Sum(nil))
}

// watchedFiles are all files that hold secrets.
func watchedFiles(cfg *Config) []string {
	h := &cfg.HTTPClient
	paths := slices.AppendSeq([]string{cfg.PasswordFile}, maps.Values(secretFilesOf(h)))
	if h.BasicAuth != nil {
		paths = append(paths, h.BasicAuth.UsernameFile)
	}
	if h.OAuth2 != nil {
		paths = append(paths, h.OAuth2.ClientSecretFile, h.OAuth2.ClientCertificateKeyFile)
	}
	slices.Sort(paths)
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
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
	if h.HTTPHeaders != nil {
		for name, header := range h.HTTPHeaders.Headers {
			for _, path := range header.Files {
				files["airflow.http_client.http_headers."+name+".files: "+path] = path
			}
		}
	}
	return files
}

// check keeps a request from being sent with an empty secret.
func (f secretFiles) check(k *call) error {
	if err := f.read(); err != nil {
		return k.errorf(ClassAuth, err, "%v", err)
	}
	return nil
}

// read reads all of them. The error names the key of the first that is missing or empty.
func (f secretFiles) read() error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if _, err := readSecret(key, f[key]); err != nil {
			return err
		}
	}
	return nil
}

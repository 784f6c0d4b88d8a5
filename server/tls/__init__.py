"""TLS on every door: ``files`` reads keys and certificates, ``identity`` holds them and follows their changes."""

"""TLS on every port: ``files`` reads keys and certificates, ``identity`` holds them and follows their changes."""

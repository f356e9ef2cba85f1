"""Certificates of Ingresses from an ACME server (RFC 8555): `controller` decides, `client` speaks to the server,
`state` is what is kept between passes."""

"""Directives that an import need not carry over, and a finding for each that it does not know."""

from __future__ import annotations

from router.config.findings import Findings
from router.nginx.directives import Directive

CARRIED = frozenset(
    {
        "add_header", "alias", "client_max_body_size", "default_type", "listen", "location", "map",
        "proxy_pass", "proxy_read_timeout", "return", "root", "server", "server_name", "set",
        "ssl_certificate", "ssl_certificate_key", "try_files", "upstream",
        "if", "rewrite", "auth_request",  # findings of their own where they stand
    }
)  # fmt: skip

WITHOUT_EFFECT = frozenset(
    {
        "access_log", "error_log", "log_format", "sendfile", "tcp_nopush", "tcp_nodelay", "keepalive_timeout",
        "keepalive_requests", "types_hash_max_size", "server_tokens", "types", "include", "gzip", "gzip_vary",
        "gzip_proxied", "gzip_comp_level", "gzip_types", "gzip_min_length", "gzip_buffers", "gzip_disable",
        "gzip_http_version", "map_hash_bucket_size", "map_hash_max_size", "variables_hash_max_size",
        "variables_hash_bucket_size", "server_names_hash_bucket_size", "server_names_hash_max_size",
        "proxy_http_version", "proxy_buffering", "proxy_request_buffering", "proxy_buffers",
        "proxy_buffer_size",
        "proxy_busy_buffers_size", "proxy_redirect", "proxy_send_timeout", "proxy_connect_timeout",
        "proxy_temp_path", "proxy_max_temp_file_size", "client_body_temp_path", "client_body_buffer_size",
        "client_header_buffer_size", "large_client_header_buffers", "client_header_timeout",
        "client_body_timeout", "send_timeout", "ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers",
        "ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets", "ssl_dhparam", "ssl_ecdh_curve",
        "ssl_stapling", "ssl_stapling_verify", "ssl_trusted_certificate", "ssl_conf_command",
        "ssl_buffer_size",
        "index", "autoindex", "expires", "etag", "charset", "resolver", "resolver_timeout", "http2",
        "mirror", "mirror_request_body", "proxy_next_upstream", "proxy_next_upstream_tries", "log_not_found",
        "reset_timedout_connection", "recursive_error_pages", "underscores_in_headers", "absolute_redirect",
        "internal", "proxy_cache", "proxy_cache_bypass", "proxy_ssl_server_name", "if_modified_since",
        "uwsgi_temp_path", "scgi_temp_path", "fastcgi_temp_path",
    }
)  # fmt: skip
"""They do not decide where a request goes, and the router has a way of its own, or none is needed."""

_USUAL_HEADERS = frozenset(
    {"host", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-forwarded-host", "connection", "upgrade"}
)
"""`proxy_set_header` of these is what the router does by itself, or what makes nginx do so."""

_BLOCKS = ("server", "location")


def unknown_directives(block: Directive, findings: Findings) -> None:
    """Adds a finding for each directive in these braces, and deeper, that would be lost without a word."""
    for each in block.block or ():
        if each.name in _BLOCKS:
            unknown_directives(each, findings)
        elif each.name == "proxy_set_header":
            if each.args[0].lower() not in _USUAL_HEADERS:
                findings.add(
                    "N402",
                    f"`proxy_set_header {each.args[0]}`: the router does not send it",
                    each.source,
                    fix="nothing has to be done unless a worker reads it",
                )
        elif each.name == "merge_slashes" and each.args == ("off",):
            findings.add(
                "N404",
                "`merge_slashes off`: the router matches paths with their slashes merged",
                each.source,
                fix="remove it from nginx, or write the routes by hand",
            )
        elif each.name not in CARRIED and each.name not in WITHOUT_EFFECT:
            findings.add(
                "N402",
                f"`{each.name}` is not carried over",
                each.source,
                fix="see what it does for your requests, and write the like by hand",
            )

"""Settings of the control plane, all from the environment.

``SLIPWAY_HOME`` holds everything an instance keeps. ``DATABASE_URL`` and ``REDIS_URL`` move the store and the broker
elsewhere; without them they are a SQLite file and a Redis on a unix socket, both below the home.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url

from schema.instance import default_home, instance_id

HOME = Path(os.environ.get("SLIPWAY_HOME") or default_home()).absolute()
INSTANCE = instance_id(HOME)
BASE_DIR = Path(__file__).resolve().parent.parent

API_PORT = int(os.environ.get("SLIPWAY_API_PORT", "6443"))
"""TLS, all interfaces: clients and agents."""
HTTP_PORT = int(os.environ.get("SLIPWAY_HTTP_PORT", "8080"))
"""Plain http on the loopback only: a browser on this machine."""


def _kept_text(name: str, default: str) -> str:
    """What an earlier start chose and left in the home."""
    try:
        return (HOME / name).read_text().strip()
    except OSError:
        return default


ADVERTISE_ADDRESS = os.environ.get("SLIPWAY_ADVERTISE_ADDRESS", "")
"""At which all nodes reach the API server; empty: this host's own address, as the outside sees it."""
CLUSTER_DOMAIN = os.environ.get("SLIPWAY_CLUSTER_DOMAIN") or _kept_text("cluster-domain", "cluster.local")
"""In which the names of services and pods are."""
POD_NETWORK = os.environ.get("SLIPWAY_POD_NETWORK", "10.244.0.0/16")
"""Where pods get their addresses: one range, or one of each family with a comma between them. The first is the family of
`status.podIP`."""
NODE_PREFIX_LENGTHS = {
    4: int(os.environ.get("SLIPWAY_NODE_PREFIX_LENGTH") or 0),
    6: int(os.environ.get("SLIPWAY_NODE_PREFIX_LENGTH_IPV6") or 0),
}
"""How much of each range one node gets; 0: as `schema.ranges.node_prefix_length` says."""
SERVICE_NETWORK = os.environ.get("SLIPWAY_SERVICE_NETWORK") or _kept_text("service-network", "10.96.0.0/16")
"""Where services get their addresses: one range, or one of each family with a comma between them. The first is the family
of a service that asks for none."""
NODE_PORT_RANGE = os.environ.get("SLIPWAY_NODE_PORT_RANGE", "30000-32767")
LOAD_BALANCER_POOL = os.environ.get("SLIPWAY_LOAD_BALANCER_POOL", "")
"""Addresses for services of type LoadBalancer: ranges (192.168.1.240/29) and spans (192.168.1.240-192.168.1.250) with
commas between them. Empty: they answer at the addresses of the nodes."""
ACME_DIRECTORY = os.environ.get("SLIPWAY_ACME_DIRECTORY", "")
"""The ACME server that issues certificates of Ingresses, by the address of its directory; to set it is to agree to its terms.
Empty: the cluster's own authority signs them."""
ACME_EMAIL = os.environ.get("SLIPWAY_ACME_EMAIL", "")
"""Whom the ACME server may write to."""
ACME_EAB_KEY_ID = os.environ.get("SLIPWAY_ACME_EAB_KEY_ID", "")
"""The account with the ACME server's owner that ours is bound to (external account binding, RFC 8555, 7.3.4); empty: none."""
ACME_EAB_KEY_FILE = os.environ.get("SLIPWAY_ACME_EAB_KEY_FILE", "")
"""A file with that account's HMAC key, in base64url as its owner gives it out."""
ACME_CA_FILE = os.environ.get("SLIPWAY_ACME_CA_FILE", "")
"""What the ACME server's own certificate is signed by; empty: an authority that this system trusts."""
ACME_RETRY_SECONDS = float(os.environ.get("SLIPWAY_ACME_RETRY_SECONDS", "60"))
"""The first pause after a failure of the ACME server; it doubles with each, up to six hours."""
METRICS_HISTORY_STEP_SECONDS = int(os.environ.get("SLIPWAY_METRICS_HISTORY_STEP_SECONDS", "300"))
"""The step of the day of usage that the dashboard shows."""
NODE_LOST_SECONDS = float(os.environ.get("SLIPWAY_NODE_LOST_SECONDS", "10"))
"""A node that has not been heard of for this long is NotReady. What follows is measured from it."""
HEARTBEAT_SECONDS = NODE_LOST_SECONDS / 4
DEFAULT_TOLERATION_SECONDS = int(os.environ.get("SLIPWAY_TOLERATION_SECONDS", "30"))
"""How long pods that say nothing of it stay on a node that is not ready or unreachable, before they are replaced."""
NODE_EVICTIONS_PER_SECOND = float(os.environ.get("SLIPWAY_NODE_EVICTIONS_PER_SECOND", "0.1"))
"""How many lost nodes of a zone at most begin to be emptied in a second."""
METRICS_SECONDS = float(os.environ.get("SLIPWAY_METRICS_SECONDS", "10"))
"""How often agents say what is used (`kubectl top`, the autoscaler, the dashboard); 0: never."""
BUILD_CONTEXTS = Path(os.environ.get("SLIPWAY_BUILD_CONTEXTS") or HOME / "build-contexts")
"""Where contexts of builds are kept; all web processes and workers share it."""
BUILD_CONTEXT_LIMIT = int(os.environ.get("SLIPWAY_BUILD_CONTEXT_LIMIT", str(2 * 1024**3)))
"""Bytes of a context, as it is sent."""
CHANGE_HISTORY_SECONDS = 3600.0
"""How far back a watch may start; older is 410 Gone."""
CHANGE_HISTORY_ROWS = 100_000


def _kept_secret(name: str) -> str:
    """A random secret made at first use and kept in the home, readable by its owner only."""
    given = os.environ.get(f"SLIPWAY_{name.upper().replace('-', '_')}")
    if given:
        return given
    path = HOME / name
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Several processes may come here at once: whoever links first wins, the others read the winner's.
    draft = path.with_name(f".{name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


SECRET_KEY = _kept_secret("secret-key")
ENCRYPTION_KEY = _kept_secret("encryption-key")
"""Encrypts Secrets at rest. Lose it and they are lost; keep it apart from database backups."""
PREVIOUS_ENCRYPTION_KEYS = [key for key in os.environ.get("SLIPWAY_PREVIOUS_ENCRYPTION_KEYS", "").split(",") if key]
"""Still read, no longer written with: the former keys while a new one takes over (`manage.py reseal`)."""
REGISTRY_SECRET = _kept_secret("registry-secret")
"""With it the registry's processes sign the state of uploads and prove that a notification is theirs."""
REGISTRY_PORT = int(os.environ.get("SLIPWAY_REGISTRY_PORT") or 5000)
"""Where the cluster's own registry listens; 0 switches it off."""
REGISTRY_ADDRESS = (
    (os.environ.get("SLIPWAY_REGISTRY_ADDRESS") or _kept_text("registry-address", "")) if REGISTRY_PORT else ""
)
"""``host:port`` at which every node and every client reaches it. `manage.py up` chooses it; empty: there is none."""
REGISTRY_HOSTS = [host for host in _kept_text("registry-hosts", "").split() if host]
"""Further names of the same registry."""
REGISTRY_STORAGE = os.environ.get("SLIPWAY_REGISTRY_STORAGE", "")
"""The registry's directory, for a process that has it somewhere else than in the home."""
REGISTRY_CACHES = os.environ.get("SLIPWAY_REGISTRY_CACHES", "")
"""Pull-through caches: ``docker.io=https://registry-1.docker.io,…``, each on the next port after the registry's."""
REGISTRY_GRACE_SECONDS = float(os.environ.get("SLIPWAY_REGISTRY_GRACE_SECONDS", "3600"))
"""What the registry holds and nothing names any more stays for so long: longer than the longest pull or push."""
REGISTRY_COLLECT_SECONDS = float(os.environ.get("SLIPWAY_REGISTRY_COLLECT_SECONDS", "3600"))
"""How often its garbage is collected; 0: only when somebody asks."""
AUTOREDEPLOY_SECONDS = float(os.environ.get("SLIPWAY_AUTOREDEPLOY_SECONDS", "300"))
"""How often outside registries are asked what the tags of workloads with autoredeploy mean; 0: never."""

DEBUG = False
ALLOWED_HOSTS = [
    "*"
]  # clients name the server by whatever address they reach it at; nothing is built from the Host header
ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "channels",
    "controlplane",
    "controlplane.store",
    "controlplane.access",
    "controlplane.controllers",
    "controlplane.scheduler",
    "controlplane.nodes",
    "controlplane.registry",
    "dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "controlplane.access.cookies.SecureOverTls",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{HOME / 'db.sqlite3'}"
    config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True))
    if config["ENGINE"].endswith("sqlite3"):
        # Tests use a file as well: threads and processes share it, as they do in earnest.
        config["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
        config["OPTIONS"] = {
            # IMMEDIATE: a transaction that will write takes the lock at its start, so it can wait for it instead of
            # failing when it upgrades. WAL: readers never wait for the writer.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;",
        }
    return config


DATABASES = {"default": _database()}

REDIS_URL = os.environ.get("REDIS_URL") or f"unix://{HOME / 'redis' / 'redis.sock'}?db=0"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": f"slipway:{INSTANCE}"},
    }
}
REDIS_PREFIX = f"slipway:{INSTANCE}:"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}

AUTHENTICATION_BACKENDS = ["controlplane.access.backends.ThrottledBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_NAME = f"slipway-{INSTANCE}"
SESSION_COOKIE_AGE = int(os.environ.get("SLIPWAY_SESSION_SECONDS", "43200"))
"""How long a login to the dashboard lasts; 12 hours."""
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_NAME = f"slipway-csrf-{INSTANCE}"
CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

STATIC_URL = "/static/"
"""The dashboard's files are served from where they are built (`dashboard.files`): nothing is collected or copied."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("SLIPWAY_LOG_LEVEL", "INFO")},
}

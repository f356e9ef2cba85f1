"""Where an instance keeps its things on this host. Everything derives from its home, so two homes never meet."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schema.instance import default_home, instance_id


@dataclass(frozen=True)
class Layout:
    home: Path
    run_dir: Path
    api_port: int
    http_port: int
    node_name: str
    cgroup_parent: str
    registry_port: int = 0
    registry_caches: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Layout:
        home = Path(environment.get("SLIPWAY_HOME") or default_home()).absolute()
        instance = instance_id(home)
        return cls(
            home=home,
            run_dir=Path(environment.get("SLIPWAY_RUN_DIR") or f"/run/slipway-{instance}"),
            api_port=int(environment.get("SLIPWAY_API_PORT") or 6443),
            http_port=int(environment.get("SLIPWAY_HTTP_PORT") or 8080),
            node_name=environment.get("SLIPWAY_NODE_NAME") or socket.gethostname().lower(),
            cgroup_parent=environment.get("SLIPWAY_CGROUP_PARENT") or f"slipway-{instance}",
            registry_port=int(environment.get("SLIPWAY_REGISTRY_PORT") or 5000),
            registry_caches=environment.get("SLIPWAY_REGISTRY_CACHES", ""),
        )

    @property
    def redis_dir(self) -> Path:
        return self.home / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.redis_dir / "redis.sock"

    @property
    def node_home(self) -> Path:
        return self.home / "node"

    @property
    def node_token(self) -> Path:
        return self.node_home / "token"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def ca_certificate(self) -> Path:
        return self.home / "pki" / "ca.crt"

    @property
    def registry_configs(self) -> list[Path]:
        """Of the registry and its caches, as `manage.py up` wrote them; empty where the registry is switched off."""
        if not self.registry_port:
            return []
        hosts = [pair.partition("=")[0].strip() for pair in self.registry_caches.split(",") if pair.strip()]
        directories = [self.home / "registry", *(self.home / "registry" / f"cache-{host}" for host in hosts)]
        return [directory / "config.yml" for directory in directories]

    @property
    def kubeconfig(self) -> Path:
        return self.home / "admin.kubeconfig"

    @property
    def admin_password(self) -> Path:
        return self.home / "admin-password"

    @property
    def pid_file(self) -> Path:
        """Held locked by the running `manage.py up`, and holding its process id."""
        return self.home / "up.pid"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor listens for commands: beside the run directory, if the path is short enough for a socket."""
        path = self.run_dir.with_name(f"{self.run_dir.name}.sock")
        return path if len(os.fsencode(path)) <= 100 else Path(f"/run/slipway-{instance_id(self.home)}.sock")

    def make_directories(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (self.redis_dir, self.node_home, self.logs):
            directory.mkdir(exist_ok=True, mode=0o700)

"""What the commands about hotels share."""

import argparse

from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli.asking import Act, asks


def add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    """Adds a command that asks the tenant service."""
    verb = verbs.add_parser(name, help=help)
    asks(verb, "tenant", TenantServiceStub, act)
    return verb

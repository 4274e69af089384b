"""The network: private subnets for functions and stores, endpoints for services of AWS, as few NATs as will do."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.config import Environment
from infra.constructs.function import Place
from infra.constructs.keeping import log_group
from infra.constructs.nag import accept

_ENDPOINTS = {
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Queues": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Machines": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
}


class NetworkStack(cdk.Stack):
    """`place` is where functions run; `functions` is their security group, which the stores let in."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            **({"availability_zones": environment.zones} if environment.zones else {"max_azs": 2}),
            nat_gateways=environment.nat_gateways,
            flow_logs={
                "Flows": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group(self, "Refused", environment)),
                    traffic_type=ec2.FlowLogTrafficType.REJECT,
                )
            },
        )
        self.vpc.add_gateway_endpoint("Blobs", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.functions = ec2.SecurityGroup(self, "Functions", vpc=self.vpc, description="Functions: out only")
        self.place = Place(self.vpc, [self.functions])
        if environment.retain:  # 7 dollars each and zone a month; elsewhere calls go out by the NAT
            for endpoint, service in _ENDPOINTS.items():
                made = self.vpc.add_interface_endpoint(endpoint, service=service, open=False)
                made.connections.allow_default_port_from(self.functions)
        accept(self.vpc, {"AwsSolutions-VPC7": "Flow logs are on, for rejected traffic: accepted traffic costs more."})

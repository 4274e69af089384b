"""The doors: one REST API for `/webhooks/*` and for everything else, with throttling, access logs and a firewall."""

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.config import Environment
from infra.constructs.firewall import firewall
from infra.constructs.keeping import log_group
from infra.constructs.nag import accept
from infra.stacks.functions import FunctionsStack

STAGE = "live"

_WITHOUT_CREDENTIALS = {
    "type": "https://millrace.dev/errors/auth.unauthenticated",
    "title": "Unauthorized",
    "status": 401,
    "detail": "The request has no credentials. Send an API key or an access token as `Authorization: Bearer …`.",
    "code": "auth.unauthenticated",
    "correlation_id": "$context.requestId",
}


class ApiStack(cdk.Stack):
    """`rest` is the API; the output `Url` is where it answers, `DomainTarget` what a name of one's own leads to."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment, functions: FunctionsStack) -> None:
        super().__init__(scope, name)
        self.rest = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=environment.prefix,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=self._stage(environment),
            cloud_watch_role=environment.edge,
            domain_name=self._domain(environment),
            # Files come to webhooks as they are; what is not named here would be read as text, and be spoilt.
            binary_media_types=["*/*"],
        )
        api = apigateway.LambdaIntegration(functions.all["api"].lambda_function)
        webhook = apigateway.LambdaIntegration(functions.all["webhook"].lambda_function)
        self.rest.root.add_method("ANY", api)  # else the proxy makes one that answers by itself, with 500
        self.rest.root.add_proxy(default_integration=api)
        self._signed_in(api)
        hook = self.rest.root.add_resource("webhooks").add_resource("{path}")
        for place in (hook, hook.add_resource("test")):
            place.add_method("ANY", webhook)
        if environment.edge:
            self._firewall(environment)
        else:
            accept(self.rest, {"AwsSolutions-APIG3": "The emulator has no firewall."})
        cdk.CfnOutput(self, "Url", value=self.rest.url)
        if self.rest.domain_name is not None:
            cdk.CfnOutput(self, "DomainTarget", value=self.rest.domain_name.domain_name_alias_domain_name)
        accept(
            self.rest,
            {
                "AwsSolutions-APIG2": "Credentials and lengths are looked at here; a body's schema depends on the "
                "workflow, and the functions hold it to that.",
                "AwsSolutions-APIG4": "The functions authenticate; webhooks are signed by their senders.",
                "AwsSolutions-COG4": "The functions authenticate, with keys of the project's own.",
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]": "It is what API Gateway's own documentation asks for.",
            },
        )

    def _signed_in(self, api: apigateway.LambdaIntegration) -> None:
        """Below `/api`, only signing in and a browser's preflight come without credentials; a request that has to have
        some and does not is answered here, as the function would."""
        below = self.rest.root.add_resource("api")
        below.add_resource("auth").add_proxy(default_integration=api)
        rest = below.add_proxy(any_method=False)
        rest.add_method("OPTIONS", api)
        rest.add_method(
            "ANY",
            api,
            request_parameters={"method.request.header.Authorization": True},
            request_validator=self.rest.add_request_validator("Credentials", validate_request_parameters=True),
        )
        self.rest.add_gateway_response(
            "WithoutCredentials",
            type=apigateway.ResponseType.BAD_REQUEST_PARAMETERS,
            status_code="401",
            response_headers={"WWW-Authenticate": "'Bearer realm=\"millrace\"'"},
            templates={"application/json": json.dumps(_WITHOUT_CREDENTIALS)},
        )

    def _stage(self, environment: Environment) -> apigateway.StageOptions:
        return apigateway.StageOptions(
            stage_name=STAGE,
            throttling_rate_limit=environment.requests_per_second,
            throttling_burst_limit=environment.burst,
            tracing_enabled=True,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            access_log_destination=apigateway.LogGroupLogDestination(log_group(self, "Access", environment)),
            access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                caller=False,
                http_method=True,
                ip=True,
                protocol=True,
                request_time=True,
                resource_path=True,
                response_length=True,
                status=True,
                user=False,
            ),
        )

    def _domain(self, environment: Environment) -> apigateway.DomainNameOptions | None:
        if environment.domain_name is None or environment.certificate_arn is None:
            return None
        certificate = certificates.Certificate.from_certificate_arn(self, "Certificate", environment.certificate_arn)
        return apigateway.DomainNameOptions(
            domain_name=environment.domain_name,
            certificate=certificate,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )

    def _firewall(self, environment: Environment) -> None:
        acl = firewall(self, requests_per_ip=environment.requests_per_ip)
        waf.CfnWebACLAssociation(
            self, "Protected", resource_arn=self.rest.deployment_stage.stage_arn, web_acl_arn=acl.attr_arn
        )

"""Where the web console will be served from: a private bucket behind CloudFront. Its content is not built yet."""

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Environment
from infra.constructs.keeping import removal
from infra.constructs.nag import accept


class ConsoleStack(cdk.Stack):
    """The output `Url` is where the console will be."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        content = s3.Bucket(
            self,
            "Content",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=removal(environment),
        )
        accept(content, {"AwsSolutions-S1": "It holds what everybody may download."})
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(content),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
            ),
        )
        accept(
            distribution,
            {
                "AwsSolutions-CFR1": "Operators work from anywhere.",
                "AwsSolutions-CFR2": "Static files only; the firewall stands before the API.",
                "AwsSolutions-CFR3": "Static files only; the API has access logs.",
                "AwsSolutions-CFR4": "CloudFront's own certificate fixes the TLS version; a domain of one's own is not "
                "built.",
            },
        )
        cdk.CfnOutput(self, "Url", value=f"https://{distribution.distribution_domain_name}")

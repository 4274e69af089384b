"""What is kept: Aurora PostgreSQL behind a proxy, Valkey, blobs in S3, the key and the secrets."""

from collections.abc import Collection
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import Environment
from infra.constructs.keeping import removal
from infra.constructs.nag import accept
from infra.stacks.network import NetworkStack

_DATABASE = "millrace"
_PROXY_PORT = 5432
"""Where proxies listen, whatever the database's port:
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.html#rds-proxy.limitations"""


class DataStack(cdk.Stack):
    """`variables` tell functions where the stores are; `allow` lets one reach them."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment, network: NetworkStack | None) -> None:
        super().__init__(scope, name)
        keep = removal(environment)
        self.key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=keep)
        self._prefix = environment.prefix
        self._blobs_name = f"{environment.prefix}-blobs-{self.account}-{self.region}"
        self._blobs_arn = f"arn:{self.partition}:s3:::{self._blobs_name}"
        self.blobs = self._blobs(environment, keep)
        self.sealing = secretsmanager.Secret(
            self,
            "SealingKey",
            description="Seals the credentials of connections and the secrets of webhooks",
            encryption_key=self.key,
            removal_policy=keep,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
        )
        accept(
            self.sealing, {"AwsSolutions-SMG4": "A new key is added beside the old one by hand: docs/operations.md."}
        )
        self.variables = {
            "MILLRACE_STAGE": environment.stage,
            "MILLRACE_BLOB_URL": f"s3://{self._blobs_name}",
            "MILLRACE_ALLOWED_HOSTS": environment.allowed_hosts,
        }
        self.sealing_variables = {"MILLRACE_SEALING_SECRET": self.sealing.secret_arn}
        """For the functions that may read it: whoever knows the name asks for it, and is refused."""
        self._credentials: list[str] = []
        if network is None:
            self.variables |= {
                "DATABASE_URL": environment.database_url or "",
                "REDIS_URL": environment.redis_url or "",
            }
        else:
            self._database(environment, network, keep)
            self._cache(environment, network)

    def allow(self, role: iam.IRole, *, blobs: Collection[str] = (), sealing: bool = False) -> None:
        """Lets a function's role read the database's credentials; do with `blobs` what these verbs say (`Get`, `Put`,
        `Delete`); with `sealing` unseal.

        Statements rather than grants: a grant would also write the role into the key's policy, and tie this stack to
        the one of the functions.
        """
        secrets = [*self._credentials, *([self.sealing.secret_arn] if sealing else [])]
        allowed = [
            (["secretsmanager:GetSecretValue"], secrets),
            (["kms:Decrypt"], [self.key.key_arn] if secrets or "Get" in blobs else []),
            (["kms:GenerateDataKey"], [self.key.key_arn] if "Put" in blobs else []),
            ([f"s3:{verb}Object" for verb in blobs], [f"{self._blobs_arn}/*"] if blobs else []),
            # S3 says 404 for what is not there only to who may list, to others 403; what is deleted is listed first.
            (["s3:ListBucket"], [self._blobs_arn] if {"Get", "Delete"} & {*blobs} else []),
        ]
        for actions, resources in allowed:
            if resources:
                role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=resources))
        name = f"{self._prefix}-blobs-<AWS::AccountId>-<AWS::Region>"
        finding = f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{name}/*]"
        reason = {finding: "Every execution has objects of its own in the bucket."}
        accept(role, reason if blobs else {})

    def _blobs(self, environment: Environment, keep: cdk.RemovalPolicy) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Blobs",
            bucket_name=self._blobs_name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=keep,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                    expiration=cdk.Duration.days(environment.archive_days * 4),
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=cdk.Duration.days(1)
                        )
                    ],
                )
            ],
        )
        accept(bucket, {"AwsSolutions-S1": "Only functions reach it, and CloudTrail's data events say which did."})
        return bucket

    def _database(self, environment: Environment, network: NetworkStack, keep: cdk.RemovalPolicy) -> None:
        cluster = rds.DatabaseCluster(
            self,
            "Database",
            engine=_engine(environment.postgres_version),
            writer=_instance("writer"),
            readers=[_instance("reader", scale_with_writer=True)] if environment.retain else [],
            serverless_v2_min_capacity=environment.aurora_min_acu,
            serverless_v2_max_capacity=environment.aurora_max_acu,
            credentials=rds.Credentials.from_generated_secret(_DATABASE, encryption_key=self.key),
            default_database_name=_DATABASE,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            storage_encryption_key=self.key,
            iam_authentication=True,
            deletion_protection=environment.retain,
            backup=rds.BackupProps(retention=cdk.Duration.days(14 if environment.retain else 1)),
            removal_policy=cdk.RemovalPolicy.SNAPSHOT if environment.retain else keep,
            port=5433,  # not the one that scans try first
        )
        secret = cluster.secret
        if secret is None:
            raise TypeError("a cluster with generated credentials has a secret")
        self.variables["MILLRACE_DATABASE_SECRET"] = secret.secret_arn
        self.variables |= self._endpoints(environment, network, cluster, secret)
        self._credentials.append(secret.secret_arn)
        reasons = {
            "AwsSolutions-SMG4": "The proxy holds the credentials open; they are rotated by hand: docs/operations.md."
        }
        if not environment.retain:
            reasons["AwsSolutions-RDS10"] = "An environment for trying things out is thrown away whole."
        accept(cluster, reasons)

    def _endpoints(
        self,
        environment: Environment,
        network: NetworkStack,
        cluster: rds.DatabaseCluster,
        secret: secretsmanager.ISecret,
    ) -> dict[str, str]:
        """Where functions find the database, and the copy that lists are read from. A proxy keeps a paused database
        awake, so that there is none where the database may pause."""
        if environment.aurora_min_acu == 0:
            cluster.connections.allow_default_port_from(network.functions)
            return {"MILLRACE_DATABASE_HOST": cluster.cluster_endpoint.hostname}
        group = ec2.SecurityGroup(self, "ProxyAccess", vpc=network.vpc)
        group.add_ingress_rule(network.functions, ec2.Port.tcp(_PROXY_PORT))
        proxy = cluster.add_proxy(
            "Proxy",
            db_proxy_name=environment.prefix,
            secrets=[secret],
            vpc=network.vpc,
            require_tls=True,
            security_groups=[group],
        )
        found = {"MILLRACE_DATABASE_HOST": proxy.endpoint, "MILLRACE_DATABASE_PORT": str(_PROXY_PORT)}
        if environment.retain:
            reader = rds.CfnDBProxyEndpoint(
                self,
                "ProxyReader",
                db_proxy_endpoint_name=f"{environment.prefix}-reader",
                db_proxy_name=proxy.db_proxy_name,
                target_role="READ_ONLY",
                vpc_security_group_ids=[group.security_group_id],
                vpc_subnet_ids=network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids,
            )
            reader.node.add_dependency(cluster)  # which has to have its reader by then
            found["MILLRACE_DATABASE_READER_HOST"] = reader.attr_endpoint
        return found

    def _cache(self, environment: Environment, network: NetworkStack) -> None:
        group = ec2.SecurityGroup(self, "CacheAccess", vpc=network.vpc, allow_all_outbound=False)
        group.add_ingress_rule(network.functions, ec2.Port.tcp_range(6379, 6380))
        cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine="valkey",
            serverless_cache_name=environment.prefix,
            major_engine_version="8",
            kms_key_id=self.key.key_id,
            security_group_ids=[group.security_group_id],
            subnet_ids=network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids,
            cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
                data_storage=elasticache.CfnServerlessCache.DataStorageProperty(
                    unit="GB", maximum=environment.cache_max_gb
                )
            ),
        )
        self.variables["REDIS_URL"] = f"rediss://{cache.attr_endpoint_address}:{cache.attr_endpoint_port}"
        self.variables["MILLRACE_CACHE_CLUSTERED"] = "true"  # as every serverless cache is


def _engine(version: str) -> rds.IClusterEngine:
    made = rds.AuroraPostgresEngineVersion.of(version, version.partition(".")[0])
    return rds.DatabaseClusterEngine.aurora_postgres(version=made)


def _instance(name: str, **options: Any) -> rds.IClusterInstance:
    """One that RDS does not move to another minor version by itself: CloudFormation would then ask for the older one,
    and fail."""
    return rds.ClusterInstance.serverless_v2(name, auto_minor_version_upgrade=False, **options)

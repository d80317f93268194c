/** Which credential providers Hadoop's properties name, by their Java classes of either AWS SDK. No I/O. */
import { printable, SupercargoError } from '@supercargo/protocol'
import type { CredentialSettings, ProviderName, RoleSettings } from '@supercargo/transfer/s3'
import type { HadoopConfiguration } from '../../hadoop/configuration.ts'
import { badSettings, type Option } from './bucket-options.ts'

const s3a = 'org.apache.hadoop.fs.s3a'
const old = 'com.amazonaws.auth'
const current = 'software.amazon.awssdk.auth.credentials'

const classes: Readonly<Record<string, ProviderName>> = {
  [`${s3a}.TemporaryAWSCredentialsProvider`]: 'temporary',
  [`${s3a}.SimpleAWSCredentialsProvider`]: 'simple',
  [`${s3a}.AnonymousAWSCredentialsProvider`]: 'anonymous',
  [`${s3a}.auth.IAMInstanceCredentialsProvider`]: 'instance',
  [`${s3a}.auth.AssumedRoleCredentialProvider`]: 'assumed-role',
  [`${s3a}.auth.ProfileAWSCredentialsProvider`]: 'profile',
  [`${old}.AnonymousAWSCredentials`]: 'anonymous',
  [`${old}.EnvironmentVariableCredentialsProvider`]: 'environment',
  [`${old}.InstanceProfileCredentialsProvider`]: 'instance',
  [`${old}.EC2ContainerCredentialsProviderWrapper`]: 'instance',
  [`${old}.ContainerCredentialsProvider`]: 'container',
  [`${old}.WebIdentityTokenCredentialsProvider`]: 'web-identity',
  [`${old}.profile.ProfileCredentialsProvider`]: 'profile',
  [`${old}.DefaultAWSCredentialsProviderChain`]: 'standard-chain',
  [`${current}.AnonymousCredentialsProvider`]: 'anonymous',
  [`${current}.EnvironmentVariableCredentialsProvider`]: 'environment',
  [`${current}.InstanceProfileCredentialsProvider`]: 'instance',
  [`${current}.ContainerCredentialsProvider`]: 'container',
  [`${current}.WebIdentityTokenFileCredentialsProvider`]: 'web-identity',
  [`${current}.ProfileCredentialsProvider`]: 'profile',
  [`${current}.DefaultCredentialsProvider`]: 'standard-chain',
}

/** What S3A tries when nothing is said, and behind it what AWS's own programs try: among it the web identity of a pod. */
const providersDefault: readonly ProviderName[] = ['temporary', 'simple', 'environment', 'standard-chain']
const masterProvidersDefault: readonly ProviderName[] = ['simple', 'environment']

/** Throws kind `invalid` for a class that is not known, and for keys in a store that only Hadoop reads. */
export function credentialSettings(option: Option, hadoop: HadoopConfiguration): CredentialSettings {
  const providers = providersOf(option, 'aws.credentials.provider') ?? providersDefault
  const role = providers.includes('assumed-role') ? roleOf(option) : undefined
  const accessKeyId = option('access.key')
  const secretAccessKey = option('secret.key')
  const keyed = [...providers, ...(role?.providers ?? [])].some((name) => name === 'simple' || name === 'temporary')
  const stores = option('security.credential.provider.path') ?? hadoop.get('hadoop.security.credential.provider.path')
  if (keyed && stores !== undefined && stores !== '' && (accessKeyId === undefined || secretAccessKey === undefined))
    throw inProvider(stores)
  return {
    providers,
    accessKeyId,
    secretAccessKey,
    sessionToken: option('session.token'),
    role,
    profile: { file: option('auth.profile.file'), name: option('auth.profile.name') },
  }
}

function providersOf(option: Option, name: string): ProviderName[] | undefined {
  const list = option(name)
    ?.split(/[\s,]+/)
    .filter((each) => each !== '')
  if (list === undefined || list.length === 0) return undefined
  return list.map((each) => {
    const found = classes[each]
    if (found !== undefined) return found
    const text = `fs.s3a.${name} names ${printable(each)}, a class that is not known here`
    throw new SupercargoError('invalid', 'unknown-credentials-provider', text, {
      hint: `known are ${[...new Set(Object.keys(classes).map((full) => full.split('.').at(-1)))].join(', ')}`,
    })
  })
}

function roleOf(option: Option): RoleSettings {
  const arn = option('assumed.role.arn')
  if (arn === undefined) throw badSettings('fs.s3a.assumed.role.arn', 'is not set, and the provider of a role needs it')
  const providers = providersOf(option, 'assumed.role.credentials.provider') ?? masterProvidersDefault
  if (providers.includes('assumed-role'))
    throw badSettings('fs.s3a.assumed.role.credentials.provider', 'cannot be an assumed role itself')
  return {
    arn,
    sessionName: option('assumed.role.session.name') ?? 'supercargo',
    durationSeconds: secondsOf(option('assumed.role.session.duration') ?? '30m'),
    externalId: option('assumed.role.external.id'),
    policy: option('assumed.role.policy'),
    endpoint: option('assumed.role.sts.endpoint'),
    region: option('assumed.role.sts.endpoint.region'),
    providers,
  }
}

/** Hadoop's durations: a number is seconds. */
function secondsOf(text: string): number {
  const [, count, unit] = /^(\d+)([smhd]?)$/i.exec(text) ?? []
  const seconds = Number(count) * ({ m: 60, h: 3600, d: 86_400 }[unit?.toLowerCase() ?? ''] ?? 1)
  if (seconds >= 900 && seconds <= 43_200) return seconds
  throw badSettings('fs.s3a.assumed.role.session.duration', 'is not between 15m and 12h')
}

function inProvider(stores: string): SupercargoError {
  const kinds = [...new Set(stores.split(',').map((each) => printable(each.trim().split(':')[0]!).slice(1, -1)))]
  const text = `the keys for S3 are in a credential provider of Hadoop (${kinds.join(', ')}), which is not read here`
  return new SupercargoError('invalid', 'hadoop-credential-provider', text, {
    hint: 'use fs.s3a.access.key and fs.s3a.secret.key with a reference to the environment as their value or in a core-site.xml that is mounted from a Secret, or a file of AWS with ProfileAWSCredentialsProvider and fs.s3a.auth.profile.file',
  })
}

/** The request fields that open an origin: from files with user and password, a token, or header lines. */
import { type HttpOrigin, SupercargoError } from '@supercargo/protocol'
import { type Redactor, readHeaders, readSecret } from './secret-text.ts'

/** What a plan says of an origin. */
export type OriginSettings = { readonly [K in keyof HttpOrigin]?: HttpOrigin[K] | undefined }

/** The 2017 server takes the raw secret of `secretFile`, without a scheme, in `Authorization`. Throws kind `invalid`. */
export async function readCredentials(
  settings: OriginSettings,
  secretFile: string | undefined,
  redactor: Redactor,
): Promise<Record<string, string>> {
  const { basicFile, bearerFile, headerFile } = settings
  return {
    ...(headerFile === undefined ? {} : await readHeaders(headerFile, redactor)),
    ...(bearerFile === undefined
      ? {}
      : { authorization: `Bearer ${(await readSecret(bearerFile, redactor)).reveal()}` }),
    ...(basicFile === undefined ? {} : { authorization: await basic(basicFile, redactor) }),
    ...(secretFile === undefined ? {} : { authorization: (await readSecret(secretFile, redactor)).reveal() }),
  }
}

/** RFC 7617, in UTF-8: everything behind the first colon is the password. */
async function basic(file: string, redactor: Redactor): Promise<string> {
  const pair = (await readSecret(file, redactor)).reveal()
  const colon = pair.indexOf(':')
  if (colon < 1) {
    throw new SupercargoError('invalid', 'bad-basic-file', `the file ${file} does not hold user:password`, {
      hint: 'write user and password in one line with a colon between them',
    })
  }
  redactor.add(pair.slice(colon + 1))
  const encoded = Buffer.from(pair, 'utf8').toString('base64')
  redactor.add(encoded)
  return `Basic ${encoded}`
}

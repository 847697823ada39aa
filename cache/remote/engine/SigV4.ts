/**
 * SigV4: signatures of Amazon's, version 4, for S3 and what speaks as it does (R2, MinIO, Garage, Ceph, B2).
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Written by hand: forty lines, which the published
 * examples check, beside a library for everything that AWS has.
 */
import { createHmac, hash } from "node:crypto"

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface Signable {
  readonly method: string
  readonly url: URL
  /** SHA-256 of the body. */
  readonly payload: string
  /** Other headers that are signed, by names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()

/** As RFC 3986 has it: `encodeURIComponent` leaves some out. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/gu, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)

const canonicalQuery = (url: URL): string =>
  Array.from(url.searchParams, ([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join("&")

/** The headers that `request` is to have besides its own; `now` is when it is sent. */
export const sign = (
  credentials: Credentials,
  region: string,
  request: Signable,
  now: Date
): Readonly<Record<string, string>> => {
  const time = now.toISOString().replace(/[-:]|\.\d+/gu, "")
  const scope = [time.slice(0, 8), region, "s3", "aws4_request"]
  const { sessionToken } = credentials
  const added = {
    "x-amz-content-sha256": request.payload,
    "x-amz-date": time,
    ...(sessionToken === undefined ? {} : { "x-amz-security-token": sessionToken })
  }
  const signed = Object.entries({ ...request.headers, ...added, host: request.url.host }).sort(([a], [b]) =>
    a < b ? -1 : 1
  )
  const names = signed.map(([name]) => name).join(";")
  const path = request.url.pathname.split("/").map((part) => encoded(decodeURIComponent(part)))
  const canonical = [
    request.method,
    path.join("/"),
    canonicalQuery(request.url),
    ...signed.map(([name, value]) => `${name}:${value.trim()}`),
    "",
    names,
    request.payload
  ].join("\n")
  const text = ["AWS4-HMAC-SHA256", time, scope.join("/"), hash("sha256", canonical, "hex")].join("\n")
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`)
  const signature = hmac(key, text).toString("hex")
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope.join("/")},SignedHeaders=${names},Signature=${signature}`
  return { ...added, authorization }
}

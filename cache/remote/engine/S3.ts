/**
 * S3: a shared cache in a bucket, with the layout of Bazel's HTTP caches: an HTTP engine whose requests are signed.
 *
 * A blob's name is the SHA-256 that its upload is signed with, so the bucket itself refuses one that was damaged on the way.
 */

import type { Bucket } from "../Settings.ts"
import type { Engine } from "./Engine.ts"
import * as Http from "./Http.ts"
import { sign } from "./SigV4.ts"

export interface Options extends Bucket {
  readonly tls: Http.Options["tls"]
  readonly proxy: Http.Options["proxy"]
}

/** The address of the bucket. */
export const baseOf = ({ bucket, prefix, region, endpoint }: Bucket): URL => {
  const below = prefix === "" ? "" : `/${prefix}`
  if (endpoint !== undefined) return new URL(`${endpoint.href.replace(/\/$/u, "")}/${bucket}${below}`)
  // a certificate for *.s3.amazonaws.com holds for one more label
  return bucket.includes(".")
    ? new URL(`https://s3.${region}.amazonaws.com/${bucket}${below}`)
    : new URL(`https://${bucket}.s3.${region}.amazonaws.com${below}`)
}

const advice = (status: number): string =>
  status === 401 || status === 403
    ? ". Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and that they allow s3:GetObject, s3:ListBucket (else what is not there is a 403) and, to write, s3:PutObject"
    : status >= 300 && status < 400
      ? ". Check the bucket's region (AWS_REGION)"
      : ""

export const make = (options: Options): Engine => {
  const { credentials, region, tls, proxy } = options
  const engine = Http.make({
    base: baseOf(options),
    tls,
    proxy,
    authorize: (request) => (credentials === undefined ? {} : sign(credentials, region, request, new Date())),
    advice
  })
  return { ...engine, address: `s3://${options.bucket}/${options.prefix}` }
}

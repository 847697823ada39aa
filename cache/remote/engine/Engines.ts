/** Engines: which engine a URL names. */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { type Checked, RemoteRefused } from "../Settings.ts"
import * as Folder from "./Folder.ts"
import * as Http from "./Http.ts"
import * as Patient from "./Patient.ts"
import * as S3 from "./S3.ts"

const advice =
  (hasCredentials: boolean) =>
  (status: number, method: string): string => {
    if (status === 413) return ". Raise the largest size that it takes (nginx: client_max_body_size 0)"
    if (status >= 300 && status < 400) return ". Name the address that it leads to"
    if (status !== 401 && status !== 403) return ""
    const variables = "OP_PIPE_REMOTE_TOKEN, or OP_PIPE_REMOTE_USER and OP_PIPE_REMOTE_PASSWORD"
    if (!hasCredentials) return `. Set ${variables}`
    return `. Check ${variables}, and that they may ${method === "PUT" ? "write" : "read"}`
  }

/** A bucket, as its URL and the environment say. */
const bucketOf = Effect.fnUntraced(function* ({ url, settings, tls }: Checked, env: NodeJS.ProcessEnv) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env
  const given = settings.endpoint ?? env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"]
  if (given !== undefined && !URL.canParse(given))
    return yield* new RemoteRefused({ message: `expected the URL of an S3 server, but found ${JSON.stringify(given)}` })
  const region = settings.region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"]
  if (region === undefined && given === undefined)
    return yield* new RemoteRefused({
      message: `${url.href}: expected the bucket's region, but found none. Set "region" beside "url", or AWS_REGION`
    })
  const session = token === undefined ? {} : { sessionToken: token }
  const credentials =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...session }
  return S3.make({
    bucket: url.hostname,
    prefix: url.pathname.replaceAll(/^\/+|\/+$/gu, ""),
    region: region ?? "us-east-1",
    endpoint: given === undefined ? undefined : new URL(given),
    credentials,
    tls
  })
})

/** The engine that a URL names. */
export const of = Effect.fnUntraced(function* (checked: Checked) {
  const { url, tls, authorization } = checked
  if (url.protocol === "file:") return yield* Folder.make(url.href, fileURLToPath(url))
  if (url.protocol === "s3:") return Patient.make(yield* bucketOf(checked, process.env))
  const headers = authorization === "" ? {} : { authorization }
  return Patient.make(Http.make({ base: url, tls, authorize: () => headers, advice: advice(authorization !== "") }))
})

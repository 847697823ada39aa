/** Settings: which shared cache is used, how, and with what credentials; checked before anything is done. */
import { readFileSync } from "node:fs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Signature from "./format/Signature.ts"

/** Which shared cache, and how. Secrets are in the environment alone: docs/guide/shared-cache.md. */
export interface RemoteSettings {
  /** `http://`, `https://`, `s3://BUCKET/PREFIX` or `file://`, without credentials. */
  readonly url: string
  /** Whether results are uploaded; not unless it says so. */
  readonly write?: boolean | undefined
  /** Public keys: if there are any, only results that one of them signed are taken. */
  readonly trust?: ReadonlyArray<string> | undefined
  /** Paths of certificates: of the authority of the server's, and of the client with its key. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Of S3; else `AWS_REGION` and `AWS_ENDPOINT_URL_S3`. */
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
}

/** A shared cache is not configured as it should be. */
export class RemoteRefused extends Data.TaggedError("RemoteRefused")<{ readonly message: string }> {
  readonly fault = "input"
}

const refuse = (message: string): Effect.Effect<never, RemoteRefused> => Effect.fail(new RemoteRefused({ message }))

type Environment = Readonly<Record<string, string | undefined>>

export const isLoopback = ({ hostname }: URL): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/u.test(hostname)

const isWebUrl = ({ protocol }: URL): boolean => protocol === "http:" || protocol === "https:"

const parse = (text: string, of: string): Effect.Effect<URL, RemoteRefused> => {
  const expected = `${of}: expected a URL such as https://cache.example.org/op-pipe, s3://bucket/op-pipe or file:///mnt/cache`
  if (!URL.canParse(text)) return refuse(`${expected}, but found ${JSON.stringify(text)}`)
  const url = new URL(text)
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    const found = url.username + url.password === "" ? `what follows a "?" or "#"` : "a name or password in it"
    const toDo = "Give credentials by OP_PIPE_REMOTE_TOKEN, or OP_PIPE_REMOTE_USER and OP_PIPE_REMOTE_PASSWORD"
    return refuse(`${of}: expected a URL without credentials, but found ${found}. ${toDo}`)
  }
  if (!isWebUrl(url) && url.protocol !== "s3:" && url.protocol !== "file:")
    return refuse(`${expected}, but found ${JSON.stringify(text)}`)
  return Effect.succeed(url)
}

/** Refuses a way to `url` that is not to be trusted: whoever can change what comes over such a connection can give any result. */
const checkTransport = (url: URL, trust: ReadonlyArray<string>, hasCredentials: boolean) => {
  if (url.protocol !== "http:" || isLoopback(url)) return Effect.void
  if (hasCredentials)
    return refuse(`${url.href}: expected https, since credentials would be sent in the clear. Use https:// there`)
  if (trust.length > 0) return Effect.void
  const toDo = 'Use https, or name in "trust" who signs its results (`op-pipe remote keygen`)'
  return refuse(`${url.href}: expected https, or signed results, but found http without "trust". ${toDo}`)
}

const checkTrust = (trust: ReadonlyArray<string>) => {
  const wrong = trust.find((each) => !Signature.isPublicKey(each))
  if (wrong === undefined) return Effect.void
  // who mixes them up must not see it printed
  const found = wrong.startsWith("op-pipe-signing-key:") ? "a signing key, which is a secret" : JSON.stringify(wrong)
  return refuse(
    `"trust": expected public keys (ed25519:...), but found ${found}. \`op-pipe remote keygen\` makes a pair`
  )
}

/** The signer of what is uploaded; undefined if nothing is signed. */
const signerOf = Effect.fnUntraced(function* ({ write, trust = [] }: RemoteSettings, env: Environment) {
  const text = env["OP_PIPE_SIGNING_KEY"] ?? ""
  if (write !== true) return undefined
  if (text === "") {
    if (trust.length === 0) return undefined
    return yield* refuse(
      'expected a key in OP_PIPE_SIGNING_KEY, since "trust" lets nobody take what is not signed, but found none. Set it, or do not write'
    )
  }
  const signer = Signature.signer(text)
  if (signer === undefined)
    return yield* refuse(
      "OP_PIPE_SIGNING_KEY: expected a key as `op-pipe remote keygen` makes it (op-pipe-signing-key:...), but found something else"
    )
  if (trust.length > 0 && !trust.includes(signer.publicKey))
    return yield* refuse(
      `OP_PIPE_SIGNING_KEY: expected the key of someone in "trust", but found that of ${signer.publicKey}. Add it to "trust", or nobody takes what it signs`
    )
  return signer
})

const certificate = (name: string, file: string | undefined) =>
  file === undefined
    ? Effect.succeed({})
    : Effect.try({
        try: () => ({ [name]: readFileSync(file, "utf8") }),
        catch: (cause) =>
          new RemoteRefused({
            message: `"${name}": expected a file with a certificate or key, but ${file} could not be read: ${(cause as Error).message}`
          })
      })

/** What is sent so that a server of Bazel's protocol lets us in; empty if nothing is known. */
const authorizationOf = (env: Environment): string => {
  const token = env["OP_PIPE_REMOTE_TOKEN"]?.trim() ?? ""
  if (token !== "") return `Bearer ${token}`
  const user = env["OP_PIPE_REMOTE_USER"] ?? ""
  const pair = `${user}:${env["OP_PIPE_REMOTE_PASSWORD"] ?? ""}`
  return user === "" ? "" : `Basic ${Buffer.from(pair).toString("base64")}`
}

const proxyOf = ({ protocol }: URL, env: Environment): string | undefined => {
  const own = protocol === "http:" ? "HTTP_PROXY" : "HTTPS_PROXY"
  return [own, own.toLowerCase(), "ALL_PROXY", "all_proxy"].find((name) => (env[name] ?? "") !== "")
}

/** A bucket, as its URL and the environment say. */
const bucketOf = Effect.fnUntraced(function* (url: URL, settings: RemoteSettings, env: Environment) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env
  const given = settings.endpoint ?? env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"]
  if (given !== undefined && !URL.canParse(given))
    return yield* refuse(`expected the URL of an S3 server, but found ${JSON.stringify(given)}`)
  const endpoint = given === undefined ? undefined : new URL(given)
  if (endpoint !== undefined) yield* checkTransport(endpoint, settings.trust ?? [], false)
  const region = settings.region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"]
  if (region === undefined && given === undefined)
    return yield* refuse(
      `${url.href}: expected the bucket's region, but found none. Set "region" beside "url", or AWS_REGION`
    )
  const session = token === undefined ? {} : { sessionToken: token }
  const credentials =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...session }
  const bucket: Bucket = {
    bucket: url.hostname,
    prefix: url.pathname.replaceAll(/^\/+|\/+$/gu, ""),
    region: region ?? "us-east-1",
    endpoint,
    credentials
  }
  return bucket
})

/** A bucket of S3. */
export interface Bucket {
  readonly bucket: string
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string
  readonly region: string
  /** Of a server other than Amazon's; the bucket's name follows in the path. */
  readonly endpoint: URL | undefined
  /** Without any, the bucket is asked as anybody may. */
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined
}

/** Settings that were checked, with what the environment adds. */
export interface Checked {
  readonly settings: RemoteSettings
  readonly trust: ReadonlyArray<string>
  readonly url: URL
  /** Of an `s3:` URL. */
  readonly bucket: Bucket | undefined
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** The header `authorization` for a server; empty for none. */
  readonly authorization: string
  /** The variable that names a proxy for such URLs, if one does: none is used. */
  readonly proxy: string | undefined
  readonly signer: Signature.Signer | undefined
}

/** Checks `settings`. Fails with `RemoteRefused`, in words. */
export const check = Effect.fnUntraced(function* (settings: RemoteSettings, env: Environment = process.env) {
  const url = yield* parse(settings.url, "the shared cache")
  const authorization = isWebUrl(url) ? authorizationOf(env) : ""
  if (/[^\x21-\x7e ]/u.test(authorization))
    return yield* refuse("OP_PIPE_REMOTE_TOKEN: expected printable ASCII, but found other characters")
  const trust = settings.trust ?? []
  yield* checkTrust(trust)
  yield* checkTransport(url, trust, authorization !== "")
  const certificates = [
    certificate("ca", settings.ca),
    certificate("cert", settings.cert),
    certificate("key", settings.key)
  ]
  const tls = Object.assign({}, ...(yield* Effect.all(certificates))) as Checked["tls"]
  const signer = yield* signerOf(settings, env)
  const bucket = url.protocol === "s3:" ? yield* bucketOf(url, settings, env) : undefined
  const proxy = proxyOf(bucket?.endpoint ?? url, env)
  const checked: Checked = { settings, trust, url, bucket, tls, authorization, proxy, signer }
  return checked
})

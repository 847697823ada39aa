/**
 * Http: a shared cache on a server, by Bazel's HTTP protocol: GET, HEAD and PUT of `ac/<key>` and `cas/<SHA-256>`.
 *
 * By `node:http`, whose requests take a third of the time of `fetch` (measured). A redirection is not followed: it would carry
 * credentials elsewhere. Large uploads wait for the server's word (`Expect: 100-continue`), so that a refusal is read before the
 * connection is cut; a server that cannot be asked gets them unasked.
 */
import * as http from "node:http"
import * as https from "node:https"
import type { Socket } from "node:net"
import { pipeline, Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Digest from "../../identity/Digest.ts"
import { type Body, type Engine, type Kind, RemoteError, sizeOf } from "./Engine.ts"
import { Stalled } from "./Stalled.ts"

export interface Request {
  readonly method: "GET" | "HEAD" | "PUT"
  readonly url: URL
  /** SHA-256 of what is uploaded. */
  readonly payload: Digest.Digest
}

export interface Options {
  /** Without credentials; what is below it is the cache. */
  readonly base: URL
  /** Headers that a request is allowed by. */
  readonly authorize: (request: Request) => Readonly<Record<string, string>>
  /** Certificates, as texts: of the authority that signed the server's, and the client's own with its key. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** What to do about a refusal, in words. */
  readonly advice: (status: number, method: string) => string
  /** The variable that names a proxy, if one does: none is used. */
  readonly proxy: string | undefined
}

/** A server takes and gives so many at once, and so do we. */
export const width = 32
const tickMs = 500
const connectTicks = 4
/** An upload from this size on asks first, unless the server has shown that all have to, or none can. */
const askBytes = 2 ** 20
const askMs = 1000

const passing = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "EAI_AGAIN"])
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no server listens there",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name of its host could not be looked up",
  EPROTO: "it speaks no TLS there (https)",
  ERR_SSL_WRONG_VERSION_NUMBER: "it speaks no TLS there (https)"
}
const wordsOf = ({ code = "", message }: NodeJS.ErrnoException): string =>
  words[code] ?? (code.startsWith("HPE_") ? "expected an answer of HTTP, but found another" : message)

const unreached = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"])

/** In a network whose only way out is a proxy, no server is in reach without it. */
const withoutProxy = (proxy: string | undefined): string =>
  proxy === undefined ? "" : `. ${proxy} is set, and a shared cache is not asked by a proxy`

/** Why a request came to nothing. */
const asRemoteError = (cause: unknown, proxy?: string): RemoteError => {
  if (cause instanceof RemoteError) return cause
  const error = cause as NodeJS.ErrnoException
  const { code = "" } = error
  const isOfTls = words[code] === undefined && /CERT|SELF_SIGNED|SIGNATURE|^ERR_(TLS|SSL)/u.test(code)
  const ofProxy = unreached.has(code) ? withoutProxy(proxy) : ""
  const advice = isOfTls ? '. Name the certificate of its authority: `"ca"` beside `"url"`' : ofProxy
  return new RemoteError({ reason: `${wordsOf(error)}${advice}`, isPassing: passing.has(code) })
}

const late = (reason: string): RemoteError => new RemoteError({ reason, isPassing: false })

/** Ends a request whose connection takes too long; in ticks, since a process that computes sees no connection either. */
const limitConnect = (
  request: http.ClientRequest,
  socket: Socket,
  isSecure: boolean,
  proxy: string | undefined
): void => {
  if (!socket.connecting) return
  let ticks = 0
  const tick = (): void => {
    ticks++
    if (ticks < connectTicks) return
    request.destroy(late(`no connection within ${(connectTicks * tickMs) / 1000} s${withoutProxy(proxy)}`))
  }
  const timer = setInterval(tick, tickMs)
  for (const event of [isSecure ? "secureConnect" : "connect", "close"]) socket.once(event, () => clearInterval(timer))
}

const give = (request: http.ClientRequest, body: Exclude<Body, Uint8Array>, asksFirst: boolean): void => {
  let isBegun = false
  const begin = (): void => {
    if (isBegun || request.destroyed) return
    isBegun = true
    // what goes wrong is the request's error; either end closes the other
    pipeline(Readable.from(body.read(), { objectMode: false, highWaterMark: 2 ** 20 }), request, () => undefined)
  }
  if (!asksFirst) {
    begin()
    return
  }
  request.setHeader("expect", "100-continue")
  request.flushHeaders()
  const timer = setTimeout(begin, askMs)
  request.once("continue", begin)
  for (const event of ["continue", "response", "close"]) request.once(event, () => clearTimeout(timer))
}

/** The first words of an answer, which may say why. */
const firstWords = async (response: http.IncomingMessage): Promise<string> => {
  let text = ""
  try {
    for await (const piece of response) {
      text += String(piece)
      if (text.length > 1000) break
    }
  } catch {
    // the status is enough
  }
  const code = /<Code>(\w+)<\/Code>/u.exec(text)?.[1]
  return code ?? (text.trimStart().startsWith("<") ? "" : text.trim().split("\n")[0]!.slice(0, 200))
}

const refusal = (options: Options, method: string, response: http.IncomingMessage) =>
  Effect.map(
    Effect.promise(() => firstWords(response)),
    (said) => {
      const status = response.statusCode ?? 0
      const { location } = response.headers
      // without what follows: it may be a credential
      const to = location === undefined ? null : URL.parse(location, options.base.href)
      const about = to !== null ? ` (${to.origin})` : said === "" ? "" : ` (${said})`
      const reason = `it answered ${status}${about} to ${method}${options.advice(status, method)}`
      return new RemoteError({ reason, status, isPassing: status >= 500 || status === 429 || status === 408 })
    }
  )

/** An answer, of which the bytes come later; `failure` is what goes wrong in the midst of them. */
interface Answer {
  readonly response: http.IncomingMessage
  readonly failure: { error?: RemoteError }
}

/** What went wrong in the midst of an answer, if the network did; of a transfer that we ended, Node says that it was cut. */
const failureOf = ({ response, failure }: Answer): RemoteError | undefined =>
  failure.error ?? (response.errored ? asRemoteError(response.errored) : undefined)

const absent = new Set([404, 410])
/** Of a server that cannot be asked before an upload. */
const expectationFailed = 417

type Call = readonly [method: Request["method"], kind: Kind, name: Digest.Digest, body?: Body, asksFirst?: boolean]

/** A function that sends a request and gives its answer, once that begins. */
const sender = (options: Options) => {
  const isSecure = options.base.protocol === "https:"
  const agentOptions = { keepAlive: true, maxSockets: width, ...options.tls }
  const agent = isSecure ? new https.Agent(agentOptions) : new http.Agent(agentOptions)
  const library = isSecure ? https : http
  const stalled = new Stalled()
  const root = options.base.href.replace(/\/$/u, "")
  return (...[method, kind, name, body, asksFirst = false]: Call): Effect.Effect<Answer, RemoteError> =>
    Effect.callback((resume) => {
      const failure: Answer["failure"] = {}
      const url = new URL(`${root}/${kind}/${name}`)
      const payload =
        !(body instanceof Uint8Array) && body !== undefined ? name : Digest.ofBytes(body ?? new Uint8Array())
      const length = body === undefined ? {} : { "content-length": String(sizeOf(body)) }
      const headers = { ...length, ...options.authorize({ method, url, payload }) }
      const request = library.request(url, { method, agent, headers })
      request.once("socket", (socket) => {
        limitConnect(request, socket, isSecure, options.proxy)
        const stop = stalled.watch(socket, () => {
          failure.error = late("nothing came or went for 10 s")
          request.destroy(failure.error)
        })
        request.once("close", stop)
      })
      request.once("response", (response) => resume(Effect.succeed({ response, failure })))
      request.on("error", (cause) => resume(Effect.fail(asRemoteError(cause, options.proxy))))
      if (body === undefined || body instanceof Uint8Array) request.end(body)
      else give(request, body, asksFirst)
      return Effect.sync(() => request.destroy())
    })
}

export const make = (options: Options): Engine => {
  const send = sender(options)

  /** Does `use` with the answer, of which nothing stays unread. */
  const asked = <A, E, R>(call: Call, use: (answer: Answer, status: number) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(send(...call), (answer) => {
      const { response } = answer
      return use(answer, response.statusCode ?? 0).pipe(
        Effect.onExit((exit) => Effect.sync(() => (exit._tag === "Success" ? response.resume() : response.destroy())))
      )
    })

  const refused = (method: string, { response }: Answer) =>
    Effect.flatMap(refusal(options, method, response), (error) => Effect.fail(error))

  const fetch: Engine["fetch"] = (kind, name, take) =>
    asked(["GET", kind, name], (answer, status) => {
      if (absent.has(status)) return Effect.succeedNone
      if (status !== 200) return refused("GET", answer)
      return Effect.mapError(Effect.asSome(take(answer.response)), (error) => failureOf(answer) ?? error)
    })
  const has: Engine["has"] = (kind, name) =>
    asked(["HEAD", kind, name], (answer, status) => {
      // a server that does not know HEAD gets all once more
      if (status === 200 || absent.has(status) || status === 405) return Effect.succeed(status === 200)
      return refused("HEAD", answer)
    })
  /** Uploads from this size on ask first. */
  let asksFrom = askBytes
  const upload = (kind: Kind, name: Digest.Digest, body: Body, isAsking: boolean) =>
    asked(["PUT", kind, name, body, isAsking], (answer, status) =>
      status >= 200 && status < 300 ? Effect.void : refused("PUT", answer)
    )
  const put: Engine["put"] = (kind, name, body) =>
    Effect.suspend(() => {
      const isAsking = sizeOf(body) >= asksFrom
      return Effect.catch(upload(kind, name, body, isAsking), (error) => {
        // one that was cut may have been refused by an answer that the cut has swallowed: the next attempt asks
        if (error.status === undefined && error.isPassing && asksFrom === askBytes) asksFrom = 0
        if (error.status !== expectationFailed || !isAsking) return Effect.fail(error)
        asksFrom = Number.POSITIVE_INFINITY
        return upload(kind, name, body, false)
      })
    })
  return { address: options.base.href, fetch, has, put }
}

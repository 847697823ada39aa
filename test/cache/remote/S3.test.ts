/** A bucket: by a server that looks at each request as S3 does, at its signature too. */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import * as Engines from "../../../cache/remote/engine/Engines.ts"
import * as S3 from "../../../cache/remote/engine/S3.ts"
import { sign } from "../../../cache/remote/engine/SigV4.ts"
import { check, type RemoteSettings } from "../../../cache/remote/Settings.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import pipeline from "../../fixtures/letters/pipeline.ts"
import { letterSteps, newPlace } from "../../lib/place.ts"
import { ran } from "../../regressions/support.ts"

const credentials = { accessKeyId: "AKEXAMPLE", secretAccessKey: "secret+/value" }
const env = { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey }
const objects = new Map<string, Buffer>()
let mayList = true

const refuse = (code: string): readonly [number, string] => [
  403,
  `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`
]

/** What is wrong with a request; undefined of a good one. */
const problemOf = (request: IncomingMessage, body: Buffer): string | undefined => {
  const { authorization, host } = request.headers
  const time = String(request.headers["x-amz-date"])
  const now = new Date(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u, "$1-$2-$3T$4:$5:$6Z"))
  if (Math.abs(now.getTime() - Date.now()) > 900_000) return "RequestTimeTooSkewed"
  const payload = String(request.headers["x-amz-content-sha256"])
  if (payload !== Digest.ofBytes(body)) return "XAmzContentSHA256Mismatch"
  const url = new URL(request.url!, `http://${host}`)
  const expected = sign(credentials, "eu-central-1", { method: request.method!, url, payload }, now)
  return expected["authorization"] === authorization ? undefined : "SignatureDoesNotMatch"
}

const answer = (request: IncomingMessage, body: Buffer): readonly [number, Buffer | string] => {
  const problem = problemOf(request, body)
  if (problem !== undefined) return refuse(problem)
  const at = request.url!
  if (request.method === "PUT") {
    objects.set(at, body)
    return [200, ""]
  }
  const found = objects.get(at)
  return found === undefined
    ? mayList
      ? [404, "<Error><Code>NoSuchKey</Code></Error>"]
      : refuse("AccessDenied")
    : [200, found]
}

const server = createServer((request, response) => {
  const pieces: Array<Buffer> = []
  request.on("data", (piece) => pieces.push(piece))
  request.on("end", () => {
    const [status, text] = answer(request, Buffer.concat(pieces))
    response.writeHead(status).end(request.method === "HEAD" ? undefined : text)
  })
})
let endpoint = ""
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())
beforeEach(() => {
  objects.clear()
  mayList = true
})

const settings = (others: Partial<RemoteSettings> = {}): RemoteSettings => ({
  url: "s3://team-cache/op pipe/a+b",
  region: "eu-central-1",
  endpoint,
  ...others
})

describe("a bucket", () => {
  it("gives one machine what another has made", async () => {
    expect(
      (await ran(pipeline, newPlace(), { remote: { settings: settings({ write: true }), env } })).executed
    ).toEqual(letterSteps)
    for (const at of objects.keys()) expect(at).toMatch(/^\/team-cache\/op%20pipe\/a\+b\/(ac|cas)\/[0-9a-f]{64}$/u)
    expect((await ran(pipeline, newPlace(), { remote: { settings: settings(), env } })).executed).toEqual([])
  })

  it("says what it is that it does not let in", async () => {
    const notices = async (others: Readonly<Record<string, string>>): Promise<ReadonlyArray<string>> => {
      const { events, executed } = await ran(pipeline, newPlace(), {
        remote: { settings: settings({ write: true }), env: { ...env, ...others } }
      })
      expect(executed).toEqual(letterSteps)
      return events.flatMap((event) => (event.type === "Notice" ? [event.text] : []))
    }
    const wrong = await notices({ AWS_SECRET_ACCESS_KEY: "another" })
    expect(wrong).toEqual([expect.stringContaining("it answered 403 (SignatureDoesNotMatch) to GET")])
    mayList = false
    expect(await notices({})).toEqual([expect.stringContaining("s3:ListBucket")])
  })

  it("takes a large file piece by piece, with the digest that it is signed with", async () => {
    const bytes = Buffer.alloc(3_000_000, "piece")
    const digest = Digest.ofBytes(bytes)
    const engine = S3.make({
      ...{
        bucket: "team-cache",
        prefix: "",
        region: "eu-central-1",
        endpoint: new URL(endpoint),
        credentials,
        tls: {},
        proxy: undefined
      }
    })
    const read = async function* () {
      for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000)
    }
    await Effect.runPromise(engine.put("cas", digest, { sizeBytes: bytes.length, read }))
    expect(objects.get(`/team-cache/cas/${digest}`)?.equals(bytes)).toBe(true)
    expect(await Effect.runPromise(engine.has("cas", digest))).toBe(true)
    const none = await Effect.runPromise(engine.fetch("cas", Digest.ofText("none"), () => Effect.void))
    expect(Option.isNone(none)).toBe(true)
  })

  it("is asked at its own host, or in the path where its name has dots", async () => {
    const base = { prefix: "op", region: "eu-central-1", endpoint: undefined, credentials, tls: {} }
    expect(S3.baseOf({ ...base, bucket: "team-cache" }).href).toBe(
      "https://team-cache.s3.eu-central-1.amazonaws.com/op"
    )
    expect(S3.baseOf({ ...base, bucket: "a.b" }).href).toBe("https://s3.eu-central-1.amazonaws.com/a.b/op")
  })

  it("needs a region, and a way that can be trusted", async () => {
    const refusal = (of: RemoteSettings): Promise<string> =>
      check(of, env).pipe(
        Effect.flatMap(Engines.of),
        Effect.flip,
        Effect.map(({ message }) => message),
        Effect.provide(Disk.layer),
        Effect.runPromise
      )
    expect(await refusal({ url: "s3://team-cache/op" })).toContain("AWS_REGION")
    expect(await refusal(settings({ endpoint: "minio" }))).toContain("expected the URL of an S3 server")
    expect(await refusal(settings({ endpoint: "http://minio.example.org" }))).toContain(
      "expected https, or signed results"
    )
  })
})

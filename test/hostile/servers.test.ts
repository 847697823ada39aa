/**
 * Shared caches on servers with manners of their own: redirections, answers in chunks or without a length, connections that end in
 * the midst, refusals before an upload was read, proxies. What may be read is; all else ends as the guide says, and no credentials
 * go anywhere but to the server that is named.
 */
import type * as http from "node:http"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { beforeAll, describe, expect, it } from "vitest"
import type { RemoteSettings } from "../../cache/remote/Settings.ts"
import * as Gc from "../../cache/store/Gc.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { lastEvent, opPipe, runLetters } from "../lib/cli.ts"
import { type Keeping, keeping, type Manners } from "../lib/faultyServers.ts"
import { letterSteps, letterTexts, newPlace } from "../lib/place.ts"
import { contents, inStore } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { type Ran, ran, succeeded } from "../regressions/support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Many = Artifact.folder({ tag: "Many/v1", path: "many" })
const stage = (name: string, command: string) =>
  Pipeline.step(Stage.command({ name, command, inputs: {}, output: { text: Text } }), { inputs: {} })
const many = Pipeline.step(
  Stage.command({
    ...{ name: "many", command: 'for i in $(seq 40); do seq $i > "$many/$i.txt"; done' },
    ...{ inputs: {}, output: { many: Many } }
  }),
  { inputs: {} }
)
/** Of sizes that are uploaded each in another way: at once, in pieces, and after the server was asked. */
const steps = [stage("small", 'seq 10 > "$text"'), stage("middle", 'seq 60000 > "$text"'), many]
const pipeline = Pipeline.make({ name: "manners", steps: [...steps, stage("large", 'seq 400000 > "$text"')] })
const names = ["small", "middle", "many", "large"]

const secret = "hunter2-hunter2"
const env = { OP_PIPE_REMOTE_TOKEN: secret }
let full: Keeping
let expected: Readonly<Record<string, string>>

/** A run of a clone that has nothing yet; what it has then must be whole and right, whatever the server did. */
const clone = async (settings: RemoteSettings): Promise<Ran & { readonly notices: ReadonlyArray<string> }> => {
  const place = newPlace()
  const startedMs = performance.now()
  const what = await ran(pipeline, place, { sandbox: "off", remote: { settings, env } })
  expect(what.failures).toEqual([])
  expect(performance.now() - startedMs).toBeLessThan(15_000)
  expect(succeeded(await inStore(place, Gc.verify)).damaged).toEqual([])
  expected ??= contents(place.outputs)
  expect(contents(place.outputs)).toEqual(expected)
  const notices = what.events.flatMap((event) => (event.type === "Notice" ? [event.text] : []))
  return { ...what, notices }
}

const sorted = (list: ReadonlyArray<string>): ReadonlyArray<string> => list.toSorted()

beforeAll(async () => {
  full = await keeping()
  expect(sorted((await clone({ url: full.url, write: true })).executed)).toEqual(sorted(names))
  expect((await clone({ url: full.url })).executed).toEqual([])
})

/** A server that has all, with other manners. */
const mannered = (manners: Manners) => keeping(manners, full.kept)

describe("an answer", () => {
  it.each<[string, NonNullable<Manners["give"]>]>([
    [
      "in chunks, without a length",
      (response, bytes) => {
        for (let at = 0; at < bytes.length; at += 9000) response.write(bytes.subarray(at, at + 9000))
        response.end()
      }
    ],
    [
      "of HTTP/1.0, which ends with its connection",
      ({ socket }, bytes) => {
        socket!.write("HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        socket!.end(bytes)
      }
    ],
    [
      "after which the connection ends, without a word of that",
      (response, bytes) => {
        const { socket } = response
        response.writeHead(200, { "content-length": bytes.length, connection: "keep-alive" })
        response.end(bytes, () => socket?.end())
      }
    ],
    [
      "after hints",
      (response, bytes) => {
        response.writeEarlyHints({ link: "</style.css>; rel=preload" })
        response.writeHead(200, { "content-length": bytes.length }).end(bytes)
      }
    ]
  ])("%s is taken", async (_, give) => {
    const { url } = await mannered({ give })
    expect(await clone({ url })).toMatchObject({ executed: [], notices: [] })
  })

  it.each<[string, NonNullable<Manners["give"]>, string]>([
    [
      "is cut in the midst of its length",
      (response, bytes) => {
        response.writeHead(200, { "content-length": bytes.length })
        response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy())
      },
      "the connection was cut"
    ],
    [
      "is cut in the midst of its chunks",
      (response, bytes) => {
        response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy())
      },
      "the connection was cut"
    ],
    [
      "ends before its length",
      ({ socket }, bytes) => {
        socket!.end(
          `HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length + 1}\r\n\r\n${bytes.toString("latin1")}`,
          "latin1"
        )
      },
      "the connection was cut"
    ],
    ["does not begin", (response) => void response.destroy(), "the connection was cut"],
    ["is none", ({ socket }) => void socket!.end("SSH-2.0-OpenSSH_9.2\r\n"), "expected an answer of HTTP"],
    [
      "of HTTP/1.0 is cut in the midst, which nothing tells",
      ({ socket }, bytes) => {
        socket!.write("HTTP/1.0 200 OK\r\n\r\n")
        socket!.end(bytes.subarray(0, bytes.length >> 1))
      },
      "is damaged, or not all there"
    ],
    [
      "is compressed though nobody asked for that",
      (response, bytes) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(bytes)),
      "is damaged, or not all there"
    ],
    [
      "is a page to log in",
      (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in</html>"),
      "is damaged, or not all there"
    ]
  ])("that %s is a miss, with one line", async (_, give, line) => {
    const { url } = await mannered({ give })
    const { executed, notices } = await clone({ url })
    expect(sorted(executed)).toEqual(sorted(names))
    expect(notices).toEqual([expect.stringContaining(line)])
  })
})

it("a server that speaks no TLS is told as that", async () => {
  const { notices } = await clone({ url: full.url.replace("http:", "https:") })
  expect(notices).toEqual([expect.stringContaining("it speaks no TLS there (https)")])
})

describe("a redirection", () => {
  it.each([301, 302, 303, 307, 308])("by %i is not followed, and no credentials go there", async (status) => {
    const other = await keeping({}, full.kept)
    const location = `${other.url.replace("127.0.0.1", "localhost")}/cas/x?sig=${secret}`
    const led = (_: http.IncomingMessage, response: http.ServerResponse): boolean => {
      response.writeHead(status, { location }).end()
      return true
    }
    const { url } = await keeping({ refuse: led })
    const { executed, notices } = await clone({ url, write: true })
    expect(sorted(executed)).toEqual(sorted(names))
    const to = new URL(location).origin
    expect(notices).toEqual([
      expect.stringContaining(`it answered ${status} (${to}) to GET. Name the address that it leads to`)
    ])
    expect(notices.join()).not.toContain(secret)
    expect(other.requests).toEqual([])
  })

  it("of uploads alone ends these, with one line that names the address", async () => {
    const other = await keeping()
    const { url, requests } = await keeping({
      refuse: ({ method }, response) => {
        if (method === "PUT") response.writeHead(307, { location: other.url }).end()
        return method === "PUT"
      }
    })
    const { notices } = await clone({ url, write: true })
    expect(notices).toEqual([
      expect.stringContaining(
        `nothing more is uploaded to the shared cache in this run: it answered 307 (${other.url})`
      )
    ])
    expect(other.requests).toEqual([])
    expect(requests.filter(({ method, path }) => method === "PUT" && path.startsWith("/ac/"))).toEqual([])
  })
})

describe("an upload", () => {
  /** Refuses what is larger than `most` bytes before it was read. */
  const refusing =
    (status: number, most: number, end: (response: http.ServerResponse) => void): NonNullable<Manners["refuse"]> =>
    ({ method, headers }, response) => {
      const isRefused = method === "PUT" && Number(headers["content-length"]) > most
      if (isRefused) end(response.writeHead(status, { connection: "close" }))
      return isRefused
    }
  const entriesOf = ({ kept }: Keeping): number => Array.from(kept.keys()).filter((at) => at.startsWith("/ac/")).length

  it.each<[string, number, (response: http.ServerResponse) => void]>([
    ["that is asked for first", 1_000_000, (response) => void response.end("too large")],
    ["that has begun", 100_000, (response) => void response.end("too large")],
    [
      "that has begun, on a connection that is closed at once",
      100_000,
      (response) => void response.end("too large", () => response.socket?.destroy())
    ]
  ])("%s and is too large: one line, and what is smaller goes up", async (_, most, end) => {
    const server = await keeping({ refuse: refusing(413, most, end) })
    const { notices } = await clone({ url: server.url, write: true })
    expect(notices).toEqual([expect.stringMatching(/^a result is not uploaded to the shared cache: it answered 413/u)])
    expect(entriesOf(server)).toBe(most > 500_000 ? 3 : 2)
    // no entry names what is not there
    const { executed } = await clone({ url: server.url })
    expect(sorted(executed)).toEqual(most > 500_000 ? ["large"] : ["large", "middle"])
  })

  it("to one that does not know how to be asked first goes there unasked", async () => {
    const server = await keeping({
      refuse: ({ headers }, response) => {
        if (headers.expect !== undefined) response.writeHead(417).end()
        return headers.expect !== undefined
      }
    })
    expect((await clone({ url: server.url, write: true })).notices).toEqual([])
    expect(entriesOf(server)).toBe(4)
    expect((await clone({ url: server.url })).executed).toEqual([])
  })

  it("whose connection is cut once is made good", async () => {
    let cuts = 0
    const server = await keeping({
      refuse: ({ method, socket, headers }) => {
        const isCut = method === "PUT" && Number(headers["content-length"]) > 100_000 && cuts++ < 2
        if (isCut) socket.destroy()
        return isCut
      }
    })
    expect((await clone({ url: server.url, write: true })).notices).toEqual([])
    expect(cuts).toBeGreaterThan(1)
    expect(entriesOf(server)).toBe(4)
  })
})

describe("a proxy in the environment", () => {
  const root = temporaryFolder()
  const asked = async (url: string, proxy: string) => {
    const place = path.join(root, `place-${url.length}-${Date.now()}`)
    writeFiles(root, letterTexts)
    const variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()])
    const proxies = Object.fromEntries(variables.map((name) => [name, proxy]))
    return opPipe([...runLetters(place), "--remote", url], {
      cwd: root,
      env: { XDG_CONFIG_HOME: root, NO_PROXY: "", no_proxy: "", NODE_USE_ENV_PROXY: "1", ...proxies, ...env }
    })
  }

  it("is not used: neither requests nor credentials go there", async () => {
    const [proxy, server] = [await keeping(), await keeping()]
    const finished = await asked(server.url, proxy.url)
    expect(lastEvent(finished).executed).toEqual(letterSteps)
    expect(finished.stdout).not.toContain('"Notice"')
    expect(server.requests.length).toBeGreaterThan(0)
    expect(proxy.requests).toEqual([])
  })

  it("is named where the server is out of reach without it", async () => {
    const proxy = await keeping()
    const finished = await asked("https://127.0.0.1:9", proxy.url)
    expect(finished.stdout).toMatch(
      /no server listens there\. HTTPS_PROXY is set, and a shared cache is not asked by a proxy/u
    )
    expect(proxy.requests).toEqual([])
  })
})

/** Servers that are no good, on loopback: silent ones, slow ones, ones that refuse, and ways to good ones that break. */
import * as http from "node:http"
import * as net from "node:net"
import { afterAll } from "vitest"

const open: Array<() => void> = []
afterAll(() => {
  for (const close of open) close()
})

const listening = (server: net.Server): Promise<string> =>
  new Promise((resolve) => {
    const sockets = new Set<net.Socket>()
    server.on("connection", (socket) => sockets.add(socket))
    open.push(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`))
  })

/** Takes connections and says nothing. */
export const silent = (): Promise<string> => listening(net.createServer(() => undefined))

/** Answers everything with `status`. */
export const refusing = (status: number, text = "", headers: http.OutgoingHttpHeaders = {}): Promise<string> =>
  listening(
    http.createServer((request, response) => {
      request.resume()
      response.writeHead(status, headers).end(text)
    })
  )

/** Begins an answer of 100 kB and gives a byte of it each second. */
export const trickling = (): Promise<string> =>
  listening(
    http.createServer((_, response) => {
      response.writeHead(200, { "content-length": "100000" })
      const timer = setInterval(() => response.write("x"), 1000)
      response.once("close", () => clearInterval(timer))
    })
  )

export interface Way {
  readonly url: string
  /** How many connections there were. */
  readonly connections: () => number
}

/** A way to the server at `url` that cuts the first `times` connections when so many bytes have come back over one. */
export const cutting = async (url: string, afterBytes: number, times = Number.POSITIVE_INFINITY): Promise<Way> => {
  let connections = 0
  const server = net.createServer((from) => {
    const mayCut = connections++ < times
    const to = net.connect(Number(new URL(url).port), "127.0.0.1")
    let passed = 0
    const end = (): void => {
      from.destroy()
      to.destroy()
    }
    for (const socket of [from, to]) socket.on("error", end).on("close", end)
    from.pipe(to)
    to.on("data", (bytes) => {
      passed += bytes.length
      from.write(mayCut ? bytes.subarray(0, Math.max(0, bytes.length - Math.max(0, passed - afterBytes))) : bytes)
      if (mayCut && passed > afterBytes) from.end(end)
    })
  })
  return { url: await listening(server), connections: () => connections }
}

/** What a server is asked for. */
interface Request {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
}

export interface Keeping {
  readonly url: string
  /** What it has, by path: to fill and to look at. */
  readonly kept: Map<string, Buffer>
  readonly requests: ReadonlyArray<Request>
}

export interface Manners {
  /** Answers a GET for what it has; as any server unless given. */
  readonly give?: (response: http.ServerResponse, bytes: Buffer) => void
  /** Answers before what is uploaded was read; whether it did. */
  readonly refuse?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean
}

/** A server of a shared cache that keeps what it has in memory, with manners of its own. */
export const keeping = async ({ give, refuse }: Manners = {}, kept = new Map<string, Buffer>()): Promise<Keeping> => {
  const requests: Array<Request> = []
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { method = "", url: path = "", headers } = request
    requests.push({ method, path, headers })
    if (refuse?.(request, response) === true) return
    if (method === "PUT") {
      if (headers.expect !== undefined) response.writeContinue()
      const pieces: Array<Buffer> = []
      for await (const piece of request) pieces.push(piece as Buffer)
      kept.set(path, Buffer.concat(pieces))
      response.writeHead(201).end()
      return
    }
    const bytes = kept.get(path)
    if (bytes === undefined) response.writeHead(404).end()
    else if (method === "HEAD") response.writeHead(200, { "content-length": bytes.length }).end()
    else if (give !== undefined) give(response, bytes)
    else response.writeHead(200, { "content-length": bytes.length }).end(bytes)
  }
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void =>
    // an upload that is cut is the client's to tell of
    void answer(request, response).catch(() => undefined)
  const server = http.createServer(onRequest)
  server.on("checkContinue", onRequest).on("checkExpectation", onRequest)
  return { url: await listening(server), kept, requests }
}

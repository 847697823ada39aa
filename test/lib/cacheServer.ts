/**
 * A cache server as teams have them: Debian's nginx with WebDAV's PUT, on loopback, with and without TLS. What it was asked
 * for is read from its access log.
 */
import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"

const program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/opt/homebrew/bin/nginx", "/usr/local/bin/nginx"].find(
  existsSync
)

export interface Asked {
  readonly method: string
  readonly path: string
  readonly status: number
}

export interface CacheServer {
  /** Over http; `secure` over https, `mutual` with certificates of clients. */
  readonly url: string
  readonly secure: string
  readonly mutual: string
  /** Where it keeps what it has: `ac/` and `cas/`. */
  readonly data: string
  /** Certificates, by `ca.crt`, `client.crt`, `client.key`. */
  readonly tls: string
  /** All requests since the start, or since `forget`. */
  readonly asked: () => ReadonlyArray<Asked>
  readonly forget: () => void
  /** Ends it at once, as a crash does. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

/** Names of users with the right to read and to write; each one's password is the name. */
export const reader = { OP_PIPE_REMOTE_USER: "reader", OP_PIPE_REMOTE_PASSWORD: "reader" }
export const writer = { OP_PIPE_REMOTE_USER: "writer", OP_PIPE_REMOTE_PASSWORD: "writer" }

/** Ports that nobody listens on now. */
export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer().listen(0, "127.0.0.1", () => resolve(server))
        })
    )
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

const certificates = (folder: string): void => {
  mkdirSync(folder)
  const openssl = (...args: ReadonlyArray<string>): void => {
    execFileSync("openssl", [...args], { cwd: folder, stdio: "ignore" })
  }
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca")
  writeFileSync(path.join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1")
  for (const who of ["server", "client"]) {
    openssl("req", ...newKey, "-keyout", `${who}.key`, "-out", `${who}.csr`, "-subj", `/CN=${who}`)
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", `${who}.csr`, ...by, "-days", "2", "-out", `${who}.crt`, "-extfile", "names")
  }
}

/** `limits` are nginx's own words, such as `client_max_body_size 1m`. */
const configuration = (folder: string, ports: ReadonlyArray<number>, isOpen: boolean, limits: string): string => {
  const allowed = isOpen
    ? ""
    : `limit_except GET HEAD { auth_basic write; auth_basic_user_file ${folder}/writers; }
      auth_basic read; auth_basic_user_file ${folder}/all;`
  const cache = `location ~ "^/(cas|ac)/[0-9a-f]{64}$" {
      root ${folder}/data;
      ${limits};
      client_body_temp_path ${folder}/body 1 2;
      dav_methods PUT;
      create_full_put_path on;
      dav_access user:rw group:r all:r;
      default_type application/octet-stream;
      ${allowed}
    }
    location / { return 404; }`
  const user = process.getuid?.() === 0 ? "user www-data;" : ""
  const temporary = ["proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/tmp/${each};`)
  return `${user} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log warn; daemon off;
events { worker_connections 512; }
http {
  log_format asked '$request_method $uri $status';
  access_log ${folder}/access.log asked; keepalive_requests 1000000;
  client_body_temp_path ${folder}/body 1 2; ${temporary.join(" ")}
  ssl_certificate ${folder}/tls/server.crt; ssl_certificate_key ${folder}/tls/server.key;
  server { listen 127.0.0.1:${ports[0]}; ${cache} }
  server { listen 127.0.0.1:${ports[1]} ssl; ${cache} }
  server { listen 127.0.0.1:${ports[2]} ssl; ssl_client_certificate ${folder}/tls/ca.crt; ssl_verify_client on; ${cache} }
}
`
}

const htpasswd = (users: ReadonlyArray<string>): string =>
  users.map((user) => `${user}:{SHA}${createHash("sha1").update(user).digest("base64")}\n`).join("")

const answers = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false
    )
    if (isUp) return
    await setTimeout(25)
  }
  throw new Error("nginx does not answer")
}

export interface ServerOptions {
  /** Whether anybody may read and write; else `reader` and `writer` may. */
  readonly isOpen?: boolean
  readonly limits?: string
}

/** Starts a server that keeps what it has in `folder`, which must not exist. */
export const startCacheServer = async (folder: string, options: ServerOptions = {}): Promise<CacheServer> => {
  const { isOpen = false, limits = "client_max_body_size 0" } = options
  if (program === undefined) throw new Error("expected nginx, but found none. Install it: apt-get install nginx")
  const ports = await freePorts(3)
  for (const name of ["data", "body", "tmp"]) mkdirSync(path.join(folder, name), { recursive: true })
  certificates(path.join(folder, "tls"))
  writeFileSync(path.join(folder, "all"), htpasswd(["reader", "writer"]))
  writeFileSync(path.join(folder, "writers"), htpasswd(["writer"]))
  writeFileSync(path.join(folder, "nginx.conf"), configuration(folder, ports, isOpen, limits))
  if (process.getuid?.() === 0) {
    const uid = Number(execFileSync("id", ["-u", "www-data"], { encoding: "utf8" }))
    for (const name of ["data", "body", "tmp"]) chownSync(path.join(folder, name), uid, uid)
    execFileSync("chmod", ["a+rx", path.dirname(folder), folder])
  }
  const log = path.join(folder, "access.log")
  let running: ReturnType<typeof spawn> | undefined
  const start = async (): Promise<void> => {
    // a group of its own: the master process and its worker end together
    const args = ["-c", path.join(folder, "nginx.conf"), "-p", folder]
    running = spawn(program, args, { stdio: "ignore", detached: true })
    await answers(ports[0]!)
  }
  const kill = async (): Promise<void> => {
    const child = running
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    process.kill(-child.pid, "SIGKILL")
    await ended
  }
  await start()
  let forgotten = 0
  const lines = (): ReadonlyArray<string> =>
    readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => /^\S+ \/(ac|cas)\//u.test(line))
  return {
    url: `http://127.0.0.1:${ports[0]}`,
    secure: `https://127.0.0.1:${ports[1]}`,
    mutual: `https://127.0.0.1:${ports[2]}`,
    data: path.join(folder, "data"),
    tls: path.join(folder, "tls"),
    asked: () =>
      lines()
        .slice(forgotten)
        .map((line) => {
          const [method = "", at = "", status] = line.split(" ")
          return { method, path: at, status: Number(status) }
        }),
    forget: () => {
      forgotten = lines().length
    },
    kill,
    start
  }
}

/** A way to the server at `url` that is so many milliseconds longer, there and back. */
export const distant = async (
  url: string,
  roundTripMs: number
): Promise<{ readonly url: string; readonly close: () => void }> => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((from) => {
    const to = net.connect(Number(new URL(url).port), "127.0.0.1")
    const pass = (here: net.Socket, there: net.Socket): void => {
      sockets.add(here)
      here.setNoDelay(true)
      // timers of one length go off in the order in which they were set
      const later = (act: () => void): void => void globalThis.setTimeout(act, roundTripMs / 2)
      here.on("data", (bytes) => later(() => there.write(bytes)))
      here.on("end", () => later(() => there.end()))
      here.on("error", () => there.destroy())
    }
    pass(from, to)
    pass(to, from)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const close = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, close }
}

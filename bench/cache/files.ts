/**
 * `npm run bench:cache:files [-- --counts 10000,100000] [--gigabyte]`: one step that reads a folder of many small files, and
 * one that reads a file of a gigabyte, by op-pipe and the tools that look at content, in one run.
 *
 * Cold: nothing is known of the files. Warm: nothing changed. One changed: one file's content. Wall time of the whole
 * command; `node -e 0` and, for the gigabyte, `sha256sum` on the same file are told beside them.
 */
import { spawnSync } from "node:child_process"
import { randomFillSync } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { install } from "./install.ts"
import { type Peer, peers } from "./peers.ts"

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const counts = (argument("--counts") ?? "10000,100000").split(",").map(Number)
const only = argument("--only")?.split(",")
const fileBytes = 2048
const perFolder = 1000

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const timed = (
  file: string,
  args: ReadonlyArray<string>,
  options: { cwd?: string; env?: NodeJS.ProcessEnv }
): number => {
  const startedMs = performance.now()
  const { status, stderr } = spawnSync(file, [...args], { ...options, stdio: ["ignore", "ignore", "pipe"] })
  if (status !== 0) console.error(`${file} ${args.join(" ")} ended with ${status}: ${stderr}`)
  return performance.now() - startedMs
}

const makeFiles = (folder: string, count: number): void => {
  const content = Buffer.alloc(fileBytes)
  for (let i = 0; i < count; i++) {
    const inside = path.join(folder, `f${Math.floor(i / perFolder)}`)
    if (i % perFolder === 0) fs.mkdirSync(inside, { recursive: true })
    fs.writeFileSync(path.join(inside, `${i}.bin`), randomFillSync(content))
  }
}

interface Times {
  readonly cold: number
  readonly warm: number
  readonly changed: number
  readonly executed: ReadonlyArray<number>
}

const measure = (peer: Peer, root: string, changed: string): Times => {
  const log = `${root}.log`
  peer.writeFolder!(root, log)
  const options = { cwd: root, env: { ...process.env, NO_COLOR: "1", ...peer.env } }
  const { file, args } = peer.command(root)
  const executed: Array<number> = []
  const run = (): number => {
    const ms = timed(file, args, options)
    executed.push(fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n").length : 0)
    fs.rmSync(log, { force: true })
    return ms
  }
  const cold = run()
  const warm = median([run(), run(), run()])
  fs.writeFileSync(changed, "changed")
  const again = run()
  peer.stop?.(root)
  return { cold, warm, changed: again, executed }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const base = fs.mkdtempSync(path.join(os.tmpdir(), "bench-files-"))
try {
  const present = peers(install(base, only)).filter(
    (peer) =>
      peer.version !== undefined && peer.writeFolder !== undefined && (only === undefined || only.includes(peer.name))
  )
  const bare = median(Array.from({ length: 9 }, () => timed(process.execPath, ["-e", "0"], {})))
  console.log(
    `${os.cpus()[0]?.model ?? "processor"}, load ${os.loadavg()[0]?.toFixed(1)}, node -e 0: ${bare.toFixed(0)} ms`
  )
  for (const count of counts) {
    console.log(
      `\n${count} files of ${fileBytes} bytes\n${["", "cold", "warm", "one changed", "executed"].map((each) => each.padEnd(14)).join("")}`
    )
    for (const peer of present) {
      const root = path.join(base, `${peer.name}-${count}`)
      makeFiles(path.join(root, "data"), count)
      // Their times must be older than any clock's tick.
      spawnSync("sleep", ["0.2"])
      const { cold, warm, changed, executed } = measure(peer, root, path.join(root, "data/f0/7.bin"))
      console.log(
        [peer.name, seconds(cold), seconds(warm), seconds(changed), executed.join(" ")]
          .map((each) => each.padEnd(14))
          .join("")
      )
      fs.rmSync(root, { recursive: true, force: true })
    }
  }
  if (process.argv.includes("--gigabyte")) {
    console.log(
      `\none file of 1 GiB\n${["", "cold", "warm", "one changed", "executed"].map((each) => each.padEnd(14)).join("")}`
    )
    for (const peer of present) {
      const root = path.join(base, `${peer.name}-big`)
      const data = path.join(root, "data")
      fs.mkdirSync(data, { recursive: true })
      const piece = randomFillSync(Buffer.alloc(64 * 1024 * 1024))
      for (let i = 0; i < 16; i++) fs.appendFileSync(path.join(data, "big.bin"), piece)
      fs.writeFileSync(path.join(data, "small.bin"), "small")
      spawnSync("sleep", ["0.2"])
      const alone = median([1, 2, 3].map(() => timed("sha256sum", [path.join(data, "big.bin")], {})))
      const { cold, warm, changed, executed } = measure(peer, root, path.join(data, "small.bin"))
      console.log(
        [peer.name, seconds(cold), seconds(warm), seconds(changed), executed.join(" "), `sha256sum ${seconds(alone)}`]
          .map((each) => each.padEnd(14))
          .join("")
      )
      fs.rmSync(root, { recursive: true, force: true })
    }
  }
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}

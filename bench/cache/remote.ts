/**
 * `npm run bench:cache:remote [-- --rounds 5]`: the shared cache over nginx on loopback: many small files, one large one, and a run
 * with nothing to do.
 *
 * With `--at DIR` all lies there: in memory (`/dev/shm`) the disk is left out, which takes most of the time of a large file.
 *
 * Each download is a process of its own, into an empty store, so that its memory is its own too; sides take turns. `curl` fetches the
 * same large blob to a file; `sha256sum` and `sync` of it are what anybody pays who checks what came and keeps it.
 */
import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { runtime } from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import * as Engines from "../../cache/remote/engine/Engines.ts"
import { pull } from "../../cache/remote/Pull.ts"
import { push } from "../../cache/remote/Push.ts"
import { check } from "../../cache/remote/Settings.ts"
import { Disk } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import { distant, startCacheServer } from "../../test/lib/cacheServer.ts"

const option = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : process.argv[at + 1]!
}
const rounds = Number(option("rounds", "5"))

const withStore = <A, E>(folder: string, use: Effect.Effect<A, E, Disk | Store>): Promise<A> =>
  Effect.runPromise(Effect.provide(use, Store.layer(folder).pipe(Layer.provideMerge(Disk.layer))))

/** Downloads one result into an empty store, and tells what it took. */
const download = async (url: string, key: Digest.Digest, folder: string): Promise<void> => {
  const beforeBytes = process.memoryUsage().rss
  const { ms, pulled } = await withStore(
    folder,
    Effect.gen(function* () {
      const engine = yield* Engines.of(yield* check({ url }, {}))
      const start = performance.now()
      const pulled = yield* pull(engine, [], key, () => undefined)
      return { ms: performance.now() - start, pulled }
    })
  )
  if (pulled !== "taken") throw new Error(`expected a result, but it is ${pulled}`)
  process.stdout.write(JSON.stringify({ ms, beforeBytes, rssBytes: process.resourceUsage().maxRSS * 1024 }))
  process.exit(0)
}

/** A result with the files that `fill` writes into its folder, in the store. */
const made = (name: string, folder: string) =>
  Effect.gen(function* () {
    const { blobs, memo, results } = yield* Store
    const below = yield* Tree.snapshot(folder, memo, { ignore: () => false, of: "output", unlock: true })
    for (const entry of below) {
      if (entry.kind === "file") yield* blobs.take(path.join(folder, entry.path), entry.digest)
    }
    const entries = [
      { kind: "folder", path: "out", mode: 0o755 } as const,
      ...below.map((entry) => ({ ...entry, path: `out/${entry.path}` }))
    ]
    const output = {
      kind: "folder",
      tag: "Out/v1",
      path: "out",
      layOut: true,
      digest: Tree.digest(below),
      entries
    } as const
    const code = { modules: {}, packages: {} }
    const result: StepResult = {
      format: "Result/v1",
      key: Digest.ofText(name),
      step: name,
      ingredients: { stage: name, code, params: {}, inputs: {}, toolchain: {}, runtime },
      outputs: { out: output },
      provenance: {
        ...{ runId: "bench", startedAt: new Date().toISOString(), durationMs: 0, host: "bench", opPipe: "bench" },
        ...{ node: process.versions.node, commit: null, dirty: null }
      }
    }
    yield* results.write(result)
    return result
  })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const megabytes = 1_000_000

const bench = async (root: string): Promise<void> => {
  const server = await startCacheServer(path.join(root, "server"), { isOpen: true })
  const far = await distant(server.url, 20)
  let stores = 0
  // as the command line is run: to load the sources takes memory of its own
  const program = path.join(root, "remote.mjs")
  const { build } = await import("esbuild")
  await build({
    entryPoints: [import.meta.filename],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["esbuild"],
    // for the modules of CommonJS in it
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)' },
    nodePaths: [path.join(import.meta.dirname, "../../node_modules")]
  })
  // the way to a distant server goes through this process
  const call = promisify(execFile)
  const pulled = async (
    url: string,
    key: Digest.Digest
  ): Promise<{ readonly ms: number; readonly rssBytes: number }> => {
    const folder = path.join(root, `store-${++stores}`)
    const { stdout } = await call(process.execPath, [program, "download", url, key, folder])
    fs.rmSync(folder, { recursive: true, force: true })
    return JSON.parse(stdout)
  }
  const timed = async (command: string, args: ReadonlyArray<string>): Promise<number> => {
    const start = performance.now()
    await call(command, args)
    return performance.now() - start
  }
  try {
    const small = path.join(root, "small")
    fs.mkdirSync(small)
    const shell = (text: string) => execFileSync("sh", ["-c", text], { cwd: root })
    shell("head -c 40960000 /dev/urandom | split -b 4096 -a 4 - small/f")
    fs.mkdirSync(path.join(root, "large"))
    shell("head -c 1000000000 /dev/urandom > large/blob")
    const at = path.join(root, "writer")
    const results = await withStore(at, Effect.all([made("small", small), made("large", path.join(root, "large"))]))
    const uploadMs: Array<number> = []
    for (const result of results) {
      const start = performance.now()
      await withStore(
        at,
        Effect.gen(function* () {
          const engine = yield* Engines.of(yield* check({ url: server.url, write: true }, {}))
          yield* push(engine, undefined, new Set(), result)
        })
      )
      uploadMs.push(performance.now() - start)
    }
    console.log(`upload: 10,000 files of 4 KB ${seconds(uploadMs[0]!)}, 1 GB ${Math.round(1e6 / uploadMs[1]!)} MB/s`)
    const [few, one] = results.map(({ key }) => key) as [Digest.Digest, Digest.Digest]
    const digest = results[1]!.outputs["out"]!.entries.flatMap((each) =>
      each.kind === "file" ? [each.digest] : []
    )[0]!
    const near: Array<number> = []
    const distantMs: Array<number> = []
    const large: Array<number> = []
    const curl: Array<number> = []
    const checked: Array<number> = []
    let rssBytes = 0
    for (let round = 0; round < rounds; round++) {
      near.push((await pulled(server.url, few)).ms)
      distantMs.push((await pulled(far.url, few)).ms)
      const file = path.join(root, "curled")
      curl.push(await timed("curl", ["-s", "-o", file, `${server.url}/cas/${digest}`]))
      checked.push(curl.at(-1)! + (await timed("sha256sum", [file])) + (await timed("sync", [file])))
      fs.rmSync(file)
      const got = await pulled(server.url, one)
      large.push(got.ms)
      rssBytes = Math.max(rssBytes, got.rssBytes)
      const rate = (ms: number): string => `${Math.round(1e6 / ms)} MB/s`
      const round1 = `10,000 x 4 KB ${seconds(near.at(-1)!)}, at 20 ms ${seconds(distantMs.at(-1)!)}; 1 GB ${rate(got.ms)}, curl ${rate(curl.at(-1)!)}, curl, sha256sum and sync ${rate(checked.at(-1)!)}`
      console.log(`round ${round + 1}: ${round1}; load ${os.loadavg()[0]!.toFixed(1)}`)
    }
    const ratios = (others: ReadonlyArray<number>): string => median(large.map((ms, at) => ms / others[at]!)).toFixed(2)
    console.log(
      `10,000 files of 4 KB: median ${seconds(median(near))}, best ${seconds(Math.min(...near))}; at 20 ms ${seconds(median(distantMs))}, best ${seconds(Math.min(...distantMs))}`
    )
    console.log(
      `1 GB: median ${Math.round(1e6 / median(large))} MB/s, best ${Math.round(1e6 / Math.min(...large))} MB/s, ${Math.round(rssBytes / megabytes)} MB of memory`
    )
    console.log(
      `its time over that of curl ${ratios(curl)}, of curl, sha256sum and sync ${ratios(checked)} (medians, pair by pair)`
    )
  } finally {
    far.close()
    await server.kill()
  }
}

const [mode, url, key, folder] = process.argv.slice(2)
if (mode === "download") await download(url!, key as Digest.Digest, folder!)
else {
  const root = fs.mkdtempSync(path.join(option("at", os.tmpdir()), "op-pipe-bench-remote-"))
  try {
    await bench(root)
  } finally {
    fs.rmSync(root, { recursive: true, force: true })
  }
}

/**
 * The C++ addon: its sources, the key of its binary, its build, and its exports.
 *
 * Built on first use into the engine's cache folder, in some seconds, by the C++ compiler of the machine. The folder's
 * name is a digest of the sources, the flags, the platform, and the oneDNN that it links (if any): a change of any of
 * them builds another binary beside it. A binary has its name only when it is complete.
 *
 * Gotchas: the kernels are compiled once per instruction set and chosen when the addon is loaded, so the binary suits
 * every machine of its architecture. oneDNN goes into a second binary, which is loaded only for networks outside
 * `NativeProgram`'s reach: without oneDNN, or with a broken one, everything else still works.
 */
import { spawn } from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as os from "node:os"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { EngineError, messageOf } from "../Identity.ts"
import * as Aligner from "./Aligner.ts"
import * as OneDnn from "./OneDnn.ts"
import * as Resampler from "./Resampler.ts"

/** What the addon exports; see src/addon.cpp and src/onednn.cpp. */
export interface AddonExports {
  readonly info: () => { readonly isa: string; readonly hardwareThreads: number }
  readonly plan: (spec: Float64Array, isa: string) => number
  readonly create: (spec: Float64Array, isa: string) => ProgramHandle
  readonly step: (
    program: ProgramHandle,
    pixels: Uint8Array,
    labels: Int32Array,
    learningRate: number,
    masks: ReadonlyArray<Uint8Array | null>
  ) => Promise<{ readonly loss: number; readonly correct: number; readonly squares: ReadonlyArray<number> }>
  readonly predict: (
    program: ProgramHandle,
    pixels: Uint8Array,
    n: number,
    logits: Float32Array,
    alive: ReadonlyArray<Uint8Array | null>
  ) => Promise<Float32Array>
  readonly read: (program: ProgramHandle, block: number, role: number, slot: number, data: Float32Array) => void
  readonly write: (program: ProgramHandle, block: number, role: number, slot: number, data: Float32Array) => void
  readonly steps: (program: ProgramHandle, n?: number) => number
  readonly profile: (program: ProgramHandle) => Readonly<Record<string, number>>
  readonly dispose: (program: ProgramHandle) => void
  /** Floating-point operations a second that multiply-adds on registers alone reach. For the benchmark. */
  readonly peak: (threads: number, rounds: number, bf16: 0 | 1) => number
}

declare const handle: unique symbol
export interface ProgramHandle {
  readonly [handle]: true
}

/** All arrays are tfjs's layouts: NHWC, HWIO, [m, k] x [k, n]. Geometry as in src/onednn.cpp. */
export interface DnnlExports {
  readonly version: string
  readonly conv: (kind: 0 | 1 | 2, geometry: Int32Array, x: Float32Array, w: Float32Array, y: Float32Array) => void
  readonly matmul: (geometry: Int32Array, a: Float32Array, b: Float32Array, c: Float32Array) => void
  readonly setThreads: (n: number) => void
}

const sourceDir = new URL("./src/", import.meta.url)
const binaryName = "op_pipe.node"
const dnnlBinaryName = "op_pipe_onednn.node"
const identityFile = "identity.txt"

interface Unit {
  readonly file: string
  readonly object: string
  readonly flags: ReadonlyArray<string>
}

const commonFlags = [
  "-std=c++17",
  "-O3",
  "-fPIC",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fno-predictive-commoning",
  "-fvisibility=hidden",
  "-w"
]

const isaUnits = (): ReadonlyArray<Unit> => {
  const unit = (table: string, name: string, flags: ReadonlyArray<string>): Unit => ({
    file: "kernels.cpp",
    object: `kernels-${name}.o`,
    flags: [`-DTABLE=${table}`, `-DTABLE_NAME=${name}`, ...flags]
  })
  const base = unit("kernelsBase", "base", [])
  const bf16 = { file: "kernels_bf16.cpp", object: "kernels-bf16.o" }
  return process.arch === "x64"
    ? [
        unit("kernelsAvx512", "avx512", ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
        unit("kernelsAvx2", "avx2", ["-march=x86-64-v3"]),
        { ...bf16, flags: ["-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512bf16"] },
        base
      ]
    : [base, { ...bf16, flags: [] }]
}

/** A binary, its objects, and what else is linked. */
interface Target {
  readonly binary: string
  readonly units: ReadonlyArray<Unit>
  readonly link: ReadonlyArray<string>
}

const targets = (oneDnn: OneDnn.OneDnn | undefined): ReadonlyArray<Target> => {
  const plain = (file: string): Unit => ({ file, object: `${path.parse(file).name}.o`, flags: ["-O2"] })
  const shared = process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-Wl,-z,now"]
  const files = [
    "program.cpp",
    "program_conv.cpp",
    "program_window.cpp",
    "program_dense.cpp",
    "program_state.cpp",
    "addon.cpp"
  ]
  const main: Target = {
    binary: binaryName,
    units: [...isaUnits(), ...files.map(plain)],
    link: [...shared, "-lpthread"]
  }
  // the same numbers as JavaScript: nothing may be fused
  const ofImages = (binary: string, file: string): Target => ({
    binary,
    units: [{ ...plain(file), flags: ["-ffp-contract=off"] }],
    link: shared
  })
  const images = [ofImages(Resampler.binaryName, "resample.cpp"), ofImages(Aligner.binaryName, "align.cpp")]
  if (oneDnn === undefined) return [main, ...images]
  // RPATH and not RUNPATH: it also counts for what oneDNN itself needs
  const dtags = process.platform === "darwin" ? [] : ["-Wl,--disable-new-dtags"]
  const rpaths = [
    ...dtags,
    ...oneDnn.folders.flatMap((folder) => [`-Wl,-rpath,${folder}`, `-Wl,-rpath-link,${folder}`])
  ]
  const unit: Unit = { ...plain("onednn.cpp"), flags: [`-I${oneDnn.include}`, "-O1"] }
  return [main, ...images, { binary: dnnlBinaryName, units: [unit], link: [...shared, oneDnn.library, ...rpaths] }]
}

export interface Location {
  /** Of sources, flags, platform and oneDNN. */
  readonly digest: string
  readonly folder: string
  readonly binary: string
  readonly oneDnn: OneDnn.OneDnn | undefined
}

/** The path of the addon's binary. Reads the sources (some 60 KB) and starts no process. */
export const locate = (cacheDir: string): Location => {
  const oneDnn = OneDnn.find(cacheDir)
  const hash = crypto.createHash("sha256")
  for (const name of fs.readdirSync(sourceDir).sort()) {
    const bytes = fs.readFileSync(new URL(name, sourceDir))
    hash.update(`${name}\0${bytes.length}\0`).update(bytes)
  }
  const settings = [process.platform, process.arch, commonFlags, targets(oneDnn), oneDnn?.version, oneDnn?.stamp]
  const digest = hash.update(JSON.stringify(settings)).digest("hex")
  const folder = path.join(cacheDir, `addon-${digest.slice(0, 16)}`)
  return { digest, folder, binary: path.join(folder, binaryName), oneDnn }
}

/** Whether the binary is there. */
export const isBuilt = (location: Location): boolean => fs.existsSync(location.binary)

/** The C++ compiler: `CXX`, else the first of the usual names on the path. */
export const findCompiler = (): string | undefined => {
  const names = process.env["CXX"] ? [process.env["CXX"]] : ["g++", "c++", "clang++"]
  for (const name of names) {
    if (path.isAbsolute(name) && fs.existsSync(name)) return name
    for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
      if (folder !== "" && fs.existsSync(path.join(folder, name))) return path.join(folder, name)
    }
  }
  return undefined
}

const execute = (command: string, args: ReadonlyArray<string>, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { signal, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) =>
      code === 0
        ? resolve(output)
        : reject(new Error(`${path.basename(command)} ${args.at(-1)} ended with ${code}:\n${output.slice(0, 4000)}`))
    )
  })

const compileAll = async (location: Location, compiler: string, folder: string, signal: AbortSignal): Promise<void> => {
  const headers = createRequire(import.meta.url)("node-api-headers") as { readonly include_dir: string }
  const wanted = targets(location.oneDnn)
  const queue = wanted.flatMap((target) => target.units)
  const worker = async (): Promise<void> => {
    for (let unit = queue.shift(); unit !== undefined; unit = queue.shift()) {
      const source = fileURLToPath(new URL(unit.file, sourceDir))
      const output = path.join(folder, unit.object)
      await execute(
        compiler,
        [...commonFlags, ...unit.flags, `-I${headers.include_dir}`, "-c", source, "-o", output],
        signal
      )
    }
  }
  await Promise.all(Array.from({ length: Math.min(4, os.availableParallelism()) }, worker))
  for (const { binary, units, link } of wanted) {
    const objects = units.map((unit) => path.join(folder, unit.object))
    await execute(compiler, [...objects, ...link, "-o", path.join(folder, binary)], signal)
    for (const object of objects) fs.rmSync(object)
  }
}

const missingCompiler = (): EngineError =>
  new EngineError({
    engine: "native",
    expected: "a C++ compiler to build the addon with",
    actual: "none of g++, c++, clang++ is on PATH",
    toDo: "Install one (Debian: `apt-get install g++`), or set CXX."
  })

const lockIsStale = (lock: string): boolean => {
  const pid = Number(fs.readFileSync(lock, { encoding: "utf8", flag: "r" }))
  if (!Number.isInteger(pid) || pid <= 0) return Date.now() - fs.statSync(lock).mtimeMs > 10_000
  try {
    process.kill(pid, 0)
    return false
  } catch (cause) {
    return !(cause instanceof Error && "code" in cause && cause.code === "EPERM")
  }
}

/**
 * Waits until this process may build, or the binary is there. Several processes that start at once would else compile
 * the same thing side by side. A lock whose process has ended is ignored.
 */
const takeLock = async (location: Location, lock: string, signal: AbortSignal): Promise<boolean> => {
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: "wx" })
      return true
    } catch {
      try {
        if (lockIsStale(lock)) fs.rmSync(lock, { force: true })
      } catch {
        // gone in the meantime
      }
    }
    if (isBuilt(location)) return false
    await sleep(100, undefined, { signal })
  }
}

const buildLocked = async (
  location: Location,
  compiler: string,
  notify: (line: string) => void,
  signal: AbortSignal
): Promise<void> => {
  fs.mkdirSync(path.dirname(location.folder), { recursive: true })
  const lock = `${location.folder}.lock`
  if (!(await takeLock(location, lock, signal))) return
  try {
    if (isBuilt(location)) return
    const started = performance.now()
    const oneDnn = location.oneDnn === undefined ? "without oneDNN" : `with oneDNN ${location.oneDnn.version}`
    notify(`Building the native engine ${oneDnn} (once, some seconds) ...`)
    const temporary = fs.mkdtempSync(`${location.folder}.`)
    try {
      await compileAll(location, compiler, temporary, signal)
      const version = (await execute(compiler, ["--version"], signal)).split("\n")[0] ?? compiler
      const identity = crypto.createHash("sha256").update(`${location.digest}\n${version}\n`).digest("hex")
      fs.writeFileSync(path.join(temporary, identityFile), identity)
      fs.renameSync(temporary, location.folder)
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true })
    }
    notify(`Built in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

/** Builds the addon unless it is there. `notify` gets a line before and after. */
export const build = (location: Location, notify: (line: string) => void): Effect.Effect<void, EngineError> =>
  Effect.suspend(() => {
    if (isBuilt(location)) return Effect.void
    const compiler = findCompiler()
    if (compiler === undefined) return Effect.fail(missingCompiler())
    return Effect.tryPromise({
      try: (signal) => buildLocked(location, compiler, notify, signal),
      catch: (cause) =>
        new EngineError({
          engine: "native",
          expected: "the addon to compile",
          actual: messageOf(cause),
          toDo: "Update the C++ compiler (it needs C++17), or use `--engine cpu`.",
          cause
        })
    })
  })

/** Digest of the built binary's inputs and of the compiler that made it. */
export const identityDigest = (location: Location): string =>
  fs.readFileSync(path.join(location.folder, identityFile), "utf8")

/** The binary of that identity among those built into a cache folder, or undefined. */
export const findBuilt = (cacheDir: string, identity: string): string | undefined => {
  if (!fs.existsSync(cacheDir)) return undefined
  for (const name of fs.readdirSync(cacheDir)) {
    const file = path.join(cacheDir, name, identityFile)
    if (name.startsWith("addon-") && fs.existsSync(file) && fs.readFileSync(file, "utf8") === identity) {
      return path.join(cacheDir, name, binaryName)
    }
  }
  return undefined
}

/** Loads a built addon into this process. */
export const load = (binary: string): AddonExports => createRequire(binary)(binary) as AddonExports

/** Loads oneDNN's operations from beside a built addon; undefined when it was built without, or oneDNN does not load. */
export const loadDnnl = (binary: string): DnnlExports | undefined => {
  const file = path.join(path.dirname(binary), dnnlBinaryName)
  if (!fs.existsSync(file)) return undefined
  // read by libgomp when it is loaded with oneDNN: its idle threads sleep instead of spinning
  process.env["OMP_WAIT_POLICY"] ??= "PASSIVE"
  try {
    return createRequire(file)(file) as DnnlExports
  } catch {
    return undefined
  }
}

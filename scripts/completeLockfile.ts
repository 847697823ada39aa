/**
 * completeLockfile: writes into package-lock.json the platform packages that npm left out.
 *
 * Packages with native code list one optional dependency a platform. npm records only those it could look up when the
 * lockfile was made (npm/cli issue 4828, and registries that mirror some platforms only), and then `npm ci` refuses the
 * lockfile as incomplete. The entries added here say for which platform they are, so that npm passes them over elsewhere.
 * Run it after any change of dependencies.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url))
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockedPackage> }

const systems = ["android", "darwin", "win32", "freebsd", "openharmony", "linux"]
const processors = ["arm64", "x64", "arm", "ia32", "ppc64", "riscv64", "s390x", "wasm32"]

/** What a platform package's name says of where it is for; undefined if it says nothing. */
const platformOf = (name: string): { os: Array<string>; cpu: Array<string>; libc?: Array<string> } | undefined => {
  const parts = name.split(/[-/]/)
  const os = systems.find((system) => parts.includes(system))
  const cpu = processors.find((processor) => parts.includes(processor))
  if (os === undefined || cpu === undefined) return undefined
  const libc = parts.some((part) => part.startsWith("musl")) ? ["musl"] : undefined
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc }) }
}

let added = 0
for (const [, owner] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    const platform = platformOf(name)
    if (key in lock.packages || platform === undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue
    lock.packages[key] = {
      version,
      ...(owner.dev === true ? { dev: true } : {}),
      optional: true,
      ...platform
    } as LockedPackage
    added++
  }
}
const sorted = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`)
process.stdout.write(`${added} platform packages added\n`)

/** Finding oneDNN, and fetching it without root: with a stand-in for apt and dpkg that unpacks a fake package. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { fetchOneDnn, parseDepends, type Run } from "../../engine/native/FetchOneDnn.ts"
import * as OneDnn from "../../engine/native/OneDnn.ts"

let folder = ""
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "op-pipe-onednn-test-"))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu"

const place = (prefix: string, version: string): void => {
  const include = path.join(prefix, "include", "oneapi", "dnnl")
  fs.mkdirSync(include, { recursive: true })
  const [major, minor, patch] = version.split(".")
  const lines = [
    `#define DNNL_VERSION_MAJOR ${major}`,
    `#define DNNL_VERSION_MINOR ${minor}`,
    `#define DNNL_VERSION_PATCH ${patch}`
  ]
  fs.writeFileSync(path.join(include, "dnnl_version.h"), lines.join("\n"))
  fs.mkdirSync(path.join(prefix, "lib", triplet), { recursive: true })
  fs.writeFileSync(
    path.join(prefix, "lib", triplet, process.platform === "darwin" ? "libdnnl.dylib" : "libdnnl.so"),
    ""
  )
}

const depends: Readonly<Record<string, string>> = {
  "libdnnl-dev": "libdnnl-dev\n  Depends: libdnnl2\n  Depends: ocl-icd-opencl-dev\n",
  libdnnl2:
    "libdnnl2\n  Depends: libc6\n  Depends: libgomp1\n |Depends: ocl-icd-libopencl1\n  Depends: <libopencl1>\n    ocl-icd-libopencl1\n  Depends: libstdc++6\n"
}

const fakeApt = (calls: Array<string>): Run => {
  return async (command, args) => {
    calls.push([command, ...args].join(" "))
    if (command === "apt-cache") return depends[args.at(-1)!] ?? ""
    if (command === "dpkg-query") {
      if (args.at(-1) === "libgomp1") return "install ok installed"
      throw new Error("no packages found")
    }
    if (command === "apt-get") return ""
    throw new Error(`unexpected ${command}`)
  }
}

describe("OneDnn.find", () => {
  test("takes the project's own first, with its version and every folder to load from", () => {
    place(path.join(folder, "vendor", "onednn", "usr"), "3.5.1")
    const found = OneDnn.find(folder)
    expect(found?.version).toBe("3.5.1")
    expect(found?.library).toContain(path.join("vendor", "onednn"))
    expect(found?.folders).toContain(path.join(folder, "vendor", "onednn", "usr", "lib", triplet))
  })

  test("headers without a library are not enough", () => {
    const prefix = path.join(folder, "vendor", "onednn", "usr")
    place(prefix, "3.5.1")
    fs.rmSync(path.join(prefix, "lib"), { recursive: true })
    expect(OneDnn.find(folder)?.version).not.toBe("3.5.1")
  })
})

describe("fetchOneDnn", () => {
  test("parses what apt-cache prints", () => {
    expect(parseDepends(depends["libdnnl2"]!)).toEqual(["libc6", "libgomp1", "ocl-icd-libopencl1", "libstdc++6"])
  })

  test("downloads the headers, the library, and what is not installed of its needs", async () => {
    const calls: Array<string> = []
    const lines: Array<string> = []
    const target = path.join(folder, "vendor", "onednn")
    await Effect.runPromise(fetchOneDnn({ folder: target, notify: (line) => lines.push(line), run: fakeApt(calls) }))
    expect(calls).toContain("apt-get download -o APT::Sandbox::User=root libdnnl-dev libdnnl2 ocl-icd-libopencl1")
    expect(fs.existsSync(target)).toBe(true)
    expect(lines.at(-1)).toContain(target)
  })

  test("says what to do when apt fails, and leaves nothing behind", async () => {
    const run: Run = async () => {
      throw new Error("E: Unable to locate package libdnnl-dev")
    }
    const error = await Effect.runPromise(
      Effect.flip(fetchOneDnn({ folder: path.join(folder, "onednn"), notify: () => {}, run }))
    )
    expect(error.message).toContain("Unable to locate package")
    expect(error.toDo).toContain("apt-get update")
    expect(fs.readdirSync(folder)).toEqual([])
  })
})

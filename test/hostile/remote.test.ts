/**
 * A shared cache that is down, slow, broken, damaged or in wrong hands: nothing wrong is ever served, no run fails or waits for
 * long, and one line says why.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import * as Digest from "../../cache/identity/Digest.ts"
import * as ActionResult from "../../cache/remote/format/ActionResult.ts"
import * as Signature from "../../cache/remote/format/Signature.ts"
import type { RemoteSettings } from "../../cache/remote/Settings.ts"
import * as Gc from "../../cache/store/Gc.ts"
import { availability } from "../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { type CacheServer, distant, reader, startCacheServer, writer } from "../lib/cacheServer.ts"
import { cutting, refusing, silent, trickling } from "../lib/faultyServers.ts"
import { newPlace, type Place } from "../lib/place.ts"
import { contents, inStore, type Options } from "../lib/runs.ts"
import { temporaryFolder } from "../lib/temporary.ts"
import { type Ran, ran, succeeded } from "../regressions/support.ts"
import { full } from "./series.ts"

const Many = Artifact.folder({ tag: "Many/v1", path: "many" })
const Big = Artifact.file({ tag: "Big/v1", path: "big.txt" })
const Sum = Artifact.file({ tag: "Sum/v1", path: "sum.txt" })
const many = Pipeline.step(
  Stage.command({
    name: "many",
    command:
      'mkdir -p "$many/deep"; for i in $(seq 40); do echo "file $i" > "$many/deep/$i.txt"; done; ln -s deep/1.txt "$many/one"',
    inputs: {},
    output: { many: Many }
  }),
  { inputs: {} }
)
const big = Pipeline.step(
  Stage.command({
    name: "big",
    command: 'ls "$many/deep" > "$big"; seq 60000 >> "$big"; chmod 755 "$big"',
    inputs: { many: Many },
    output: { big: Big }
  }),
  { inputs: { many: many.out.many } }
)
const sum = Pipeline.step(
  Stage.command({ name: "sum", command: 'cksum < "$big" > "$sum"', inputs: { big: Big }, output: { sum: Sum } }),
  { inputs: { big: big.out.big } }
)
const pipeline = Pipeline.make({ name: "shared", steps: [sum] })
const steps = ["many", "big", "sum"]

const base = temporaryFolder()
let server: CacheServer
/** What the server has after one clone uploaded all: to begin each test with. */
const pristine = path.join(base, "pristine")
let expected: Readonly<Record<string, string>>
let keys: Ran["keys"]

type Settings = Partial<RemoteSettings>
const asked = (settings: Settings = {}, env: Readonly<Record<string, string>> = reader): Options => ({
  sandbox: "off",
  remote: { settings: { url: server.url, ...settings }, env }
})
/** Of a clone that has run nothing yet. */
const fresh = (options: Options, place: Place = newPlace()) => ran(pipeline, place, options)
const notices = ({ events }: Ran): ReadonlyArray<string> =>
  events.flatMap((event) => (event.type === "Notice" ? [event.text] : []))

/** What `place` has is whole and right, whatever came over the network. */
const expectGood = async (place: Place, what: Ran): Promise<void> => {
  expect(what.failures).toEqual([])
  expect(contents(place.outputs)).toEqual(expected)
  expect(succeeded(await inStore(place, Gc.verify)).damaged).toEqual([])
  expect(readdirSync(path.join(place.store, "v1/tmp"))).toEqual([])
}

const entryOf = (step: string): string => path.join(server.data, "ac", keys[step]!)
const entry = (step: string): ActionResult.ActionResult => ActionResult.decode(readFileSync(entryOf(step)))!
const write = (file: string, bytes: Uint8Array): void => {
  rmSync(file, { force: true })
  writeFileSync(file, bytes, { mode: 0o644 })
}
const casOf = (digest: string): string => path.join(server.data, "cas", digest)

beforeAll(async () => {
  server = await startCacheServer(path.join(base, "server"))
  const place = newPlace()
  const first = await fresh(asked({ write: true }, writer), place)
  expect(first.executed).toEqual(steps)
  keys = first.keys
  expected = contents(place.outputs)
  cpSync(server.data, pristine, { recursive: true })
})
afterAll(() => server.kill())
beforeEach(() => {
  for (const kind of ["ac", "cas"]) {
    for (const name of readdirSync(path.join(server.data, kind))) rmSync(path.join(server.data, kind, name))
    for (const name of readdirSync(path.join(pristine, kind)))
      write(path.join(server.data, kind, name), readFileSync(path.join(pristine, kind, name)))
  }
  server.forget()
})

describe("a clone", () => {
  it("executes nothing, and has equal digests, modes and links", async () => {
    const place = newPlace()
    const what = await fresh(asked(), place)
    expect(what).toMatchObject({ executed: [], cached: steps, keys })
    await expectGood(place, what)
    expect(statSync(path.join(place.outputs, "big/big.txt")).mode & 0o777).toBe(0o755)
    // 40 small files came in one piece
    expect(server.asked().filter(({ status }) => status === 200).length).toBeLessThanOrEqual(3 + 1 + 1 + 1 + 1)
  })

  it("asks for nothing when all is up to date, and uploads nothing that it did not make", async () => {
    const place = newPlace()
    await fresh(asked(), place)
    server.forget()
    const again = await fresh(asked({ write: true }, writer), place)
    expect(again.executed).toEqual([])
    rmSync(place.outputs, { recursive: true })
    await expectGood(place, await fresh(asked({ write: true }, writer), place))
    expect(server.asked()).toEqual([])
  })

  it("over https by the server's authority, with a client's certificate, and behind 20 ms", async () => {
    const ca = path.join(server.tls, "ca.crt")
    const [cert, key] = [path.join(server.tls, "client.crt"), path.join(server.tls, "client.key")]
    const far = await distant(server.url, 20)
    const ways: ReadonlyArray<Settings> = [
      { url: server.secure, ca },
      { url: server.mutual, ca, cert, key },
      { url: far.url }
    ]
    for (const way of ways) expect((await fresh(asked(way))).executed).toEqual([])
    far.close()
    const unknown = await fresh(asked({ url: server.secure }))
    expect(unknown.executed).toEqual(steps)
    expect(notices(unknown)).toEqual([expect.stringContaining('"ca"')])
    const without = await fresh(asked({ url: server.mutual, ca }))
    expect(without).toMatchObject({ executed: steps, failures: [] })
    expect(notices(without)).toHaveLength(1)
  })

  it("of a folder", async () => {
    const folder = temporaryFolder()
    const settings = { url: `file://${folder}`, write: true }
    expect((await fresh(asked(settings))).executed).toEqual(steps)
    expect((await fresh(asked(settings))).executed).toEqual([])
    const unmounted = await fresh(asked({ url: `file://${folder}/not-there`, write: true }))
    expect(unmounted).toMatchObject({ executed: steps, failures: [] })
    expect(notices(unmounted)).toEqual([expect.stringContaining("Mount it, or make it")])
    expect(readdirSync(folder).sort()).toEqual(["ac", "cas"])
  })
})

describe("a server that does not work", () => {
  it.each<[string, () => Promise<string>, string]>([
    ["is down", async () => "http://127.0.0.1:9", "no server listens there"],
    ["has errors", () => refusing(500, "out of luck"), "it answered 500 (out of luck) to GET"],
    [
      "leads elsewhere",
      () => refusing(302, "", { location: "https://other.example.org/cas?sig=hunter2" }),
      "it answered 302 (https://other.example.org) to GET. Name the address that it leads to"
    ],
    ["does not shake hands", async () => (await silent()).replace("http:", "https:"), "no connection within 2 s"],
    ["knows nobody", () => refusing(401), "OP_PIPE_REMOTE_TOKEN"],
    ["allows nothing", () => refusing(403), "it answered 403"]
  ])("since it %s: the run goes on at once, with one line", async (_what, url, line) => {
    const place = newPlace()
    const startedMs = performance.now()
    const what = await fresh(asked({ url: await url(), write: true }), place)
    expect(what.executed).toEqual(steps)
    expect(notices(what)).toEqual([expect.stringContaining(line)])
    expect(notices(what)[0]).toContain("is not used for the rest of this run")
    expect(performance.now() - startedMs).toBeLessThan(10_000)
    await expectGood(place, what)
  })

  it("since it says nothing, or next to nothing: the run goes on after 10 s, with one line", async () => {
    const startedMs = performance.now()
    await Promise.all(
      [await silent(), await trickling()].map(async (url) => {
        const place = newPlace()
        const what = await fresh(asked({ url, write: true }), place)
        expect(what.executed).toEqual(steps)
        expect(notices(what)).toEqual([expect.stringContaining("nothing came or went for 10 s")])
        await expectGood(place, what)
      })
    )
    const tookMs = performance.now() - startedMs
    expect(tookMs).toBeGreaterThan(9_000)
    expect(tookMs).toBeLessThan(25_000)
  })

  it("since connections are cut: once is made good, always is a miss", async () => {
    const once = await cutting(server.url, 50_000, 1)
    const place = newPlace()
    const good = await fresh(asked({ url: once.url }), place)
    expect(good.executed).toEqual([])
    expect(once.connections()).toBeGreaterThan(1)
    await expectGood(place, good)
    const always = await cutting(server.url, 50_000)
    const other = newPlace()
    const bad = await fresh(asked({ url: always.url }), other)
    expect(bad.executed).toContain("big")
    expect(notices(bad)).toEqual([expect.stringContaining("the connection was cut")])
    await expectGood(other, bad)
  })

  it("since it was killed while the run goes on", async () => {
    const place = newPlace()
    const isOver = { value: false }
    const killing = fresh(
      {
        ...asked({ write: true }, writer),
        onEvent: (event) => {
          if (event.type !== "StepCached" || isOver.value) return
          isOver.value = true
          void server.kill()
        }
      },
      place
    )
    const what = await killing
    await server.start()
    expect(isOver.value).toBe(true)
    expect(what.cached).toContain("many")
    expect(notices(what).length).toBeLessThanOrEqual(1)
    await expectGood(place, what)
  })
})

describe("an upload that is refused", () => {
  it("to one who may only read: one line, and reads go on", async () => {
    rmSync(entryOf("sum"))
    const what = await fresh(asked({ write: true }, reader))
    expect(what).toMatchObject({ executed: ["sum"], failures: [] })
    expect(notices(what)).toEqual([expect.stringContaining("nothing more is uploaded")])
    expect(notices(what)[0]).toContain("it answered 401 to PUT")
  })

  it("since it is too large: one line, no entry that names it, and what is small goes up", async () => {
    const limits = "client_max_body_size 100k"
    const small = await startCacheServer(path.join(base, "small"), { isOpen: true, limits })
    try {
      const what = await fresh(asked({ url: small.url, write: true }, {}))
      expect(notices(what)).toEqual([expect.stringContaining("client_max_body_size")])
      expect(readdirSync(path.join(small.data, "ac")).sort()).toEqual([keys["many"]!, keys["sum"]!].sort())
      expect((await fresh(asked({ url: small.url }, {}))).executed).toEqual(["big"])
    } finally {
      await small.kill()
    }
  })

  it("or goes through: an entry comes after all that it names", async () => {
    for (const kind of ["ac", "cas"]) rmSync(path.join(server.data, kind), { recursive: true })
    await fresh(asked({ write: true }, writer))
    const paths = server
      .asked()
      .flatMap(({ method, path: at, status }) => (method === "PUT" && status < 300 ? [at] : []))
    for (const step of steps) {
      const before = paths.slice(0, paths.indexOf(`/ac/${keys[step]}`))
      expect(entry(step).files.length).toBeGreaterThan(0)
      for (const { digest } of entry(step).files) expect(before).toContain(`/cas/${digest}`)
    }
  })
})

describe("what is damaged there", () => {
  it("a blob that is gone: that step alone is executed", async () => {
    const { files } = entry("big")
    expect(files.map((file) => file.path)).toEqual([expect.stringMatching(/^blobs\//u)])
    rmSync(casOf(files[0]!.digest))
    const place = newPlace()
    const what = await fresh(asked(), place)
    expect(what.executed).toEqual(["big"])
    expect(server.asked().filter(({ method }) => method !== "GET")).toEqual([])
    await expectGood(place, what)
  })

  it("a byte of anything: a miss, and never another result", async () => {
    const all = ["ac", "cas"].flatMap((kind) => readdirSync(path.join(server.data, kind)).map((name) => [kind, name]))
    for (const [kind = "", name = ""] of all) {
      const file = path.join(server.data, kind, name)
      const good = readFileSync(file)
      // a byte of a digest, in an entry, and of what has one
      for (const at of full ? [0, good.length >> 1, good.length - 1] : [good.length >> 1]) {
        const bad = Buffer.from(good)
        bad[at]! ^= 4
        write(file, bad)
        const place = newPlace()
        const what = await fresh(asked(), place)
        expect(what.keys, `${kind}/${name}, byte ${at}`).toEqual(keys)
        if (kind === "cas") {
          expect(what.executed).toHaveLength(1)
          expect(notices(what)).toEqual([expect.stringContaining("is damaged, or not all there")])
        }
        await expectGood(place, what)
      }
      write(file, good)
    }
  })

  it("a blob that is shorter, empty or another that is longer", async () => {
    const file = casOf(entry("big").files[0]!.digest)
    const good = readFileSync(file)
    for (const bad of [good.subarray(0, -1), Buffer.alloc(0), Buffer.concat([Buffer.from("x"), good])]) {
      write(file, bad)
      const place = newPlace()
      const what = await fresh(asked(), place)
      expect(what.executed).toEqual(["big"])
      await expectGood(place, what)
    }
  })
})

describe("a record too large for its entry", () => {
  const command = 'for i in $(seq 900); do echo $i > "$many/$i.txt"; done'
  const wide = Pipeline.step(Stage.command({ name: "wide", command, inputs: {}, output: { many: Many } }), {
    inputs: {}
  })
  const pipeline = Pipeline.make({ name: "wide", steps: [wide] })

  it("is a blob, and a miss when it is damaged", async () => {
    const { keys } = await ran(pipeline, newPlace(), asked({ write: true }, writer))
    const { files, stdout } = ActionResult.decode(readFileSync(path.join(server.data, "ac", keys["wide"]!)))!
    expect(stdout.length).toBe(0)
    expect((await ran(pipeline, newPlace(), asked())).executed).toEqual([])
    const record = casOf(files.find((file) => file.path === "result.json")!.digest)
    const text = readFileSync(record, "utf8")
    // still a record, of the same length
    write(record, Buffer.from(text.replace(/"startedAt":"2/u, '"startedAt":"3')))
    const what = await ran(pipeline, newPlace(), asked())
    expect(what.executed).toEqual(["wide"])
    expect(notices(what)).toEqual([expect.stringContaining("is damaged, or not all there")])
  })
})

/** The entry of a step with another record, as an attacker would write it who may write to the server. */
const forge = (
  step: string,
  change: (record: string) => string,
  sign: (record: Uint8Array, key: Digest.Digest) => string = () => ""
): void => {
  const found = entry(step)
  const stdout = Buffer.from(change(Buffer.from(found.stdout).toString("utf8")))
  const stderr = Buffer.from(sign(stdout, keys[step] as Digest.Digest))
  write(entryOf(step), ActionResult.encode({ ...found, stdout, stderr }))
}

describe("a record that op-pipe would not write", () => {
  it.each([
    ["leaves its folder", (record: string) => record.replaceAll('"sum.txt"', '"../sum.txt"')],
    ["is absolute", (record: string) => record.replaceAll('"sum.txt"', '"/tmp/sum.txt"')],
    ["has a mode that lets others be root", (record: string) => record.replace('"mode":420', '"mode":2541')],
    ["is of another key", (record: string) => record.replace(/"key":"[0-9a-f]{64}"/u, `"key":"${"1".repeat(64)}"`)],
    ["is no record", () => "{}"],
    ["is no JSON", () => "\0"]
  ])("since it %s is a miss", async (_what, change) => {
    forge("sum", change)
    const place = newPlace()
    const what = await fresh(asked(), place)
    expect(what.executed).toEqual(["sum"])
    expect(notices(what)).toEqual([expect.stringContaining("is damaged, or not all there")])
    await expectGood(place, what)
  })
})

describe.runIf(availability().available)("with --sandbox=require", () => {
  it("results that were made without a sandbox are made again", async () => {
    const what = await fresh({ ...asked(), sandbox: "require" })
    expect(what.executed).toEqual(steps)
    expect(notices(what)).toEqual([expect.stringContaining("was made without a sandbox")])
  })
})

describe("signed results", () => {
  const team = Signature.generate()
  const stranger = Signature.generate()
  const signer = (pair: typeof team) => Signature.signer(pair.signingKey)!
  const trust = [team.publicKey]
  const signing = { ...writer, OP_PIPE_SIGNING_KEY: team.signingKey }
  /** All results, uploaded by one with the team's key. */
  const upload = () => fresh({ ...asked({ write: true, trust }, signing), forced: steps })

  it("are taken by who trusts the key, and by who asks for none", async () => {
    await upload()
    expect((await fresh(asked({ trust }))).executed).toEqual([])
    expect((await fresh(asked({ trust: [stranger.publicKey, ...trust] }))).executed).toEqual([])
    expect((await fresh(asked())).executed).toEqual([])
  })

  it("are not taken by who trusts another, nor are unsigned ones, with one line", async () => {
    const unsigned = await fresh(asked({ trust }))
    await upload()
    const others = await fresh(asked({ trust: [stranger.publicKey] }))
    for (const what of [unsigned, others]) {
      expect(what.executed).toEqual(steps)
      expect(notices(what)).toEqual([expect.stringContaining('signed by nobody in "trust"')])
    }
  })

  it("that are forged, or moved to another key, are not taken", async () => {
    await upload()
    const change = (record: string): string => record.replace('"host":"', '"host":"x')
    const kept = Buffer.from(entry("sum").stderr).toString("utf8")
    const forgeries: ReadonlyArray<Parameters<typeof forge>[2]> = [
      () => "",
      () => kept,
      (record, key) => Signature.make(signer(stranger), key, record),
      (record, key) => Signature.make(signer(stranger), key, record).replace(stranger.publicKey, team.publicKey)
    ]
    for (const sign of forgeries) {
      forge("sum", change, sign)
      const place = newPlace()
      const what = await fresh(asked({ trust }), place)
      expect(what.executed).toEqual(["sum"])
      await expectGood(place, what)
    }
    // replayed: a good entry, with its good signature, of another step
    write(entryOf("sum"), readFileSync(entryOf("big")))
    expect((await fresh(asked({ trust }))).executed).toEqual(["sum"])
  })

  it("with other packs, which nobody signs, are not taken", async () => {
    await upload()
    const found = entry("many")
    const [pack] = found.files.filter((file) => file.path.startsWith("packs/"))
    const content = zstdDecompressSync(readFileSync(casOf(pack!.digest)))
    content[content.length - 2]! ^= 1
    const forged = zstdCompressSync(content)
    const digest = Digest.ofBytes(forged)
    write(casOf(digest), forged)
    const files = found.files.map((file) => (file === pack ? { ...file, digest, sizeBytes: forged.length } : file))
    write(entryOf("many"), ActionResult.encode({ ...found, files }))
    const place = newPlace()
    const what = await fresh(asked({ trust }), place)
    expect(what.executed).toEqual(["many"])
    expect(notices(what)).toEqual([expect.stringContaining("is damaged, or not all there")])
    await expectGood(place, what)
  })

  it("are not made without a key, nor with one that nobody trusts", async () => {
    const refusal = async (env: Readonly<Record<string, string>>): Promise<string> => {
      const failed = fresh(asked({ write: true, trust }, { ...writer, ...env }))
      return failed.then(
        () => "nothing",
        (error: Error) => error.message
      )
    }
    expect(await refusal({})).toContain("OP_PIPE_SIGNING_KEY")
    expect(await refusal({ OP_PIPE_SIGNING_KEY: stranger.signingKey })).toContain("Add it to")
    const wrong = await refusal({ OP_PIPE_SIGNING_KEY: `${team.signingKey}x` })
    expect(wrong).toContain("as `op-pipe remote keygen` makes it")
    expect(wrong).not.toContain(team.signingKey)
  })
})

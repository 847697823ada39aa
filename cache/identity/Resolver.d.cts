/** Resolver: the types of Resolver.cjs. */

/** How the resolver sees the disk; links are followed. */
export interface Look {
  /** undefined of what is not there. */
  readonly kind: (path: string) => "file" | "folder" | "link" | "other" | undefined
  readonly text: (path: string) => string | undefined
  /** The names in a folder. */
  readonly names: (folder: string) => ReadonlyArray<string>
}

export interface Asked {
  readonly specifier: string
  /** The real folder of the module that imports. */
  readonly folder: string
  /** By `require`, which may lead elsewhere than `import`. */
  readonly isRequired?: boolean | undefined
  /** Node itself loads it, by `import` or by `require`. */
  readonly native?: "import" | "require" | undefined
}

/** `specifier` is what to ask of the package, in `folder`; `tried` is where an alias leads that has no file. */
export interface Package {
  readonly type: "package"
  readonly name: string
  readonly specifier: string
  readonly folder: string
  readonly tried: string | undefined
}

export type Resolved =
  | { readonly type: "builtin" }
  /** The path of a file, as it was found; `isAlias` if a configuration led there. */
  | { readonly type: "file"; readonly file: string; readonly isAlias: boolean }
  | Package
  | { readonly type: "missing"; readonly problem: string }

export interface Resolver {
  readonly resolve: (asked: Asked) => Resolved
  /** The folder of the package that `name` means in `folder`; undefined if it is not installed. */
  readonly packageFolder: (name: string, folder: string) => string | undefined
}

export const make: (look: Look) => Resolver

/** The disk itself; `note` is given each path before it is looked at. */
export const lookAtDisk: (note?: (path: string) => void) => Look

/** The endings that modules have. */
export const moduleExtensions: ReadonlyArray<string>

/** `@scope/name/deep/path` -> `@scope/name`. */
export const packageName: (specifier: string) => string

/** The line and the column of an offset, from 1 on: `3:14`. */
export const placeOf: (text: string, offset: number) => string

/** `file:3:14`: where the module `file`, of which `text` is the source, imports `specifier`. */
export const placeOfImport: (file: string, text: string, specifier: string) => string

/** An import of the module `importer` that leads nowhere, in words, with the place. */
export const describeMissing: (importer: string, specifier: string, problem: string) => string

/** An import whose target only shows when it runs, in words. */
export const computedImport: string

/** That a package is not installed, in words; `folder` is that of the module which imports it. */
export const notInstalled: (wanted: Pick<Package, "name" | "tried" | "folder">) => string

// What server reflection can tell: which file declares which symbol and which extension, each with all its options.

import type { DescFile, DescService } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** The files behind some services. Names are fully qualified, without a leading dot; nothing is found where undefined comes back. */
export class ReflectionIndex {
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  constructor(services: readonly DescService[]) {
    this.services = services.map(({ typeName }) => typeName);
    for (const { file } of services) this.#add(file);
  }

  /** The file, and every file that it needs, as FileDescriptorProto. */
  fileByName(name: string): readonly Uint8Array[] | undefined {
    return this.#withDependencies(this.#files.get(name));
  }

  /** As `fileByName`, for the file that declares a service, method, message, field, oneof, enum, enum value or extension. */
  fileContainingSymbol(symbol: string): readonly Uint8Array[] | undefined {
    return this.#withDependencies(this.#symbols.get(symbol));
  }

  /** As `fileByName`, for the file that extends a message by this field number. */
  fileContainingExtension(typeName: string, number: number): readonly Uint8Array[] | undefined {
    return this.#withDependencies(this.#extensions.get(typeName)?.get(number));
  }

  /** The field numbers of all extensions of a message, ascending. */
  extensionNumbers(typeName: string): readonly number[] | undefined {
    const extensions = this.#extensions.get(typeName);
    if (extensions === undefined) return this.#symbols.has(typeName) ? [] : undefined;
    return [...extensions.keys()].toSorted((a, b) => a - b);
  }

  #add(file: DescFile): void {
    // As in `file.proto.name`, with its suffix.
    const name = file.proto.name;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    for (const symbol of symbolsOf(file)) this.#symbols.set(symbol, file);
    for (const type of nestedTypes(file)) {
      if (type.kind !== 'extension') continue;
      const extended = this.#extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
      this.#extensions.set(type.extendee.typeName, extended.set(type.number, file));
    }
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #withDependencies(file: DescFile | undefined): readonly Uint8Array[] | undefined {
    if (file === undefined) return undefined;
    const files = new Set<DescFile>();
    const collect = (one: DescFile): void => {
      if (files.has(one)) return;
      files.add(one);
      for (const dependency of one.dependencies) collect(dependency);
    };
    collect(file);
    return [...files].map((one) => this.#encode(one));
  }

  #encode(file: DescFile): Uint8Array {
    const known = this.#encoded.get(file);
    if (known !== undefined) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, bytes);
    return bytes;
  }
}

function symbolsOf(file: DescFile): readonly string[] {
  return [...nestedTypes(file)].flatMap((type) => {
    const within = (names: ReadonlyArray<{ readonly name: string }>) =>
      names.map(({ name }) => `${type.typeName}.${name}`);
    switch (type.kind) {
      case 'message':
        return [type.typeName, ...within(type.fields), ...within(type.oneofs)];
      case 'service':
        return [type.typeName, ...within(type.methods)];
      case 'enum':
        // The values of an enum stand beside it, as in C.
        return [type.typeName, ...type.values.map(({ name }) => type.typeName.replace(/[^.]*$/, '') + name)];
      case 'extension':
        return [type.typeName];
    }
  });
}

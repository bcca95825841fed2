// Where a watcher of the audit log resumes, in a form that clients can neither read nor forge.

/** Port: cursors as texts. Every node reads what any node wrote. */
export type AuditCursorCodec = {
  /** The cursor behind the event with this number; 0 is before the first. */
  write(after: number): string;
  /** Undefined for a text that is forged or altered. */
  read(text: string): number | undefined;
};

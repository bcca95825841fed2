// Port: the devices that a person has logged in from.

/** A login from a device, which is known by its name and its user agent. */
export type DeviceSighting = {
  readonly userId: string;
  readonly deviceName: string;
  readonly userAgent: string;
  readonly now: number;
};

export type KnownDevices = {
  /** Stores the device. `first` is the first one that the person ever used, `another` a new one beside those known. */
  note(sighting: DeviceSighting): Promise<'first' | 'known' | 'another'>;
  /** Deletes every device of the person: the next one is the first. */
  deleteAll(userId: string): Promise<void>;
};

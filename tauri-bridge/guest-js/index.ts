/**
 * The classroom SFU of this app, seen from its windows.
 *
 * @module
 */

import { invoke } from '@tauri-apps/api/core'
import { listen, type UnlistenFn } from '@tauri-apps/api/event'

/** Where peers send media. */
export interface Media {
  /** The UDP port. */
  port: number
  /** IP addresses, the best first. */
  addresses: string[]
}

/** The SFU serves. */
export interface Ready {
  /** The version of the handshake between the SFU and the app. */
  protocol: number
  /** The version of the SFU. */
  version: string
  /** The process that serves. */
  pid: number
  /** The WebSocket server's TCP port. */
  port: number
  /** The port that was asked for; another than `port` after a fallback. */
  requestedPort?: number
  /** The WebSocket URL for this computer. */
  localUrl: string
  /** WebSocket URLs for other computers, the best first; empty without a network. */
  urls: string[]
  media: Media
  /** Lets a teacher join from another computer. */
  teacherToken: string
  /** From the start of the process. */
  startupMs: number
}

/** Where the SFU can be reached from now on. */
export type Addresses = Pick<Ready, 'urls' | 'media'>

/** Somebody who joined a room or left it. */
export interface Peer {
  roomId: string
  peerId: string
  name: string
  isTeacher: boolean
}

/** Something that the person at the computer may want to know. */
export interface Warning {
  code: string
  message: string
}

/** What programs tell errors apart by: the codes of the SFU, and the plugin's own. */
export type ErrorCode =
  | 'bad-setting'
  | 'port-taken'
  | 'media-ports-taken'
  | 'port-forbidden'
  | 'cannot-listen'
  | 'no-network-interface'
  | 'log-file'
  | 'internal'
  | 'cannot-launch'
  | 'ready-timeout'
  | 'exited'
  | 'crash-loop'
  | 'unsupported-protocol'
  | 'not-running'
  | 'no-answer'

/** Why the SFU does not serve: what the functions here throw and what `fatal` brings. */
export interface SfuError {
  /** A newer SFU may have others. */
  code: ErrorCode | (string & {})
  /** What is wrong. */
  message: string
  /** What the person at the computer can do about it. */
  hint: string
}

/** The end of the SFU's process; everybody in it was cut off. */
export interface Exited {
  /** Its exit code, unless a signal ended it. */
  code: number | null
  /** The signal that ended it, on Unix. */
  signal: number | null
  /** Whether the app had asked for it. */
  expected: boolean
}

/** The SFU fell and will be launched again. */
export interface Restarting {
  /** The how-manieth in a row, from 1. */
  attempt: number
  /** How many there are at most. */
  limit: number
  /** The wait before it. */
  delayMs: number
  cause: SfuError
}

/** What the SFU is doing. */
export type State = 'stopped' | 'starting' | 'ready' | 'stopping' | 'restarting' | 'fatal'

/** What is known about the SFU without asking it. */
export interface Info {
  state: State
  /** Where it can be reached, while it serves. */
  ready: Ready | null
  /** Why it does not serve and will not be launched again. */
  error: SfuError | null
}

/** Somebody in a room, with the statistics of their transports. */
export interface PeerStatus {
  id: string
  name: string
  isTeacher: boolean
  transports: Record<string, unknown>
}

/** What is going on. */
export interface Status {
  uptimeMs: number
  totals: {
    /** Open WebSockets, also those that have not joined. */
    connections: number
    rooms: number
    peers: number
    producers: number
    consumers: number
  }
  rooms: { id: string; peers: PeerStatus[] }[]
  process: {
    /** Processor time since the start, of all threads. */
    cpuSeconds: number
    /** Of one core, since the status before this one. */
    cpuPercent: number
    /** Resident memory, where the system tells. */
    memoryBytes: number | null
    /** How many processes these figures are of. */
    processes: number
  }
}

/** What each event brings. */
export interface Events {
  /** It serves; comes again after each restart. */
  ready: Ready
  /** It can be reached elsewhere from now on. */
  addresses: Addresses
  exited: Exited
  restarting: Restarting
  /** It does not serve and will not be launched again, unless somebody calls `start`. */
  fatal: SfuError
  warning: Warning
  'peer-joined': Peer
  'peer-left': Peer
}

/**
 * Starts the SFU unless it runs, and waits until it serves.
 *
 * @throws {SfuError} It can't serve, or was stopped meanwhile.
 */
export async function start(): Promise<Ready> {
  return await invoke('plugin:classroom-sfu|start')
}

/** Stops the SFU, if it runs, and waits until it is gone. Everybody in it is sent home. */
export async function stop(): Promise<void> {
  await invoke('plugin:classroom-sfu|stop')
}

/**
 * Asks the SFU what is going on.
 *
 * @throws {SfuError} It does not serve, or does not answer.
 */
export async function status(): Promise<Status> {
  return await invoke('plugin:classroom-sfu|status')
}

/** Tells what is known about the SFU without asking it. */
export async function info(): Promise<Info> {
  return await invoke('plugin:classroom-sfu|info')
}

/**
 * Calls a handler whenever something happens to the SFU or in it.
 *
 * A window that opens later than the SFU starts has missed `ready`: ask for `info` as well.
 *
 * @returns a function that ends it.
 */
export async function on<Name extends keyof Events>(
  name: Name,
  handler: (payload: Events[Name]) => void,
): Promise<UnlistenFn> {
  return await listen<Events[Name]>(`classroom-sfu://${name}`, (event) => handler(event.payload))
}

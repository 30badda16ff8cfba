// The load: all clients of all documents in one process (one clock). `load.mjs '{…}'`; prints "measure" when the
// measured part begins, "measured" when it ends, and then one line of JSON.
//
// Each writer types into the document's text, five characters a second on average, as Yjs makes the updates: into its own
// copy, without the others', so that the load costs what the sockets cost. What arrives is read by lib0 and Yjs alone.
// Every character is checked at every other client of its document: who typed it, which one it is, that it is the right
// one, that none is missing. At the end a stock document, filled by the server, must equal what all writers wrote.
import { performance } from 'node:perf_hooks'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { AUTH, AWARENESS, NOTHING_KNOWN, NOTHING_NEW, SAVED, SYNC, Wire } from './wire.mjs'

const spec = JSON.parse(process.argv[2])
const { protocol, urls, rooms, clients: CLIENTS, writers: WRITERS, hz, warm_s: WARM_S, measure_s: MEASURE_S } = spec
const CURSORS = spec.cursors ?? 0
const CURSOR_HZ = spec.cursor_hz ?? 0
const wire = new Wire(protocol)
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const letter = (writer, clock) => LETTERS[(writer * 7 + clock * 11) % 26]

/** Counts of times in steps of 20 µs up to 4 s, so that a million of them cost little. */
class Times {
  constructor () { this.counts = new Uint32Array(200_001); this.total = 0 }
  add (ms, n = 1) { this.counts[Math.min(200_000, Math.max(0, Math.round(ms * 50)))] += n; this.total += n }
  at (share) {
    let left = share * this.total
    for (let i = 0; i < this.counts.length; i++) if ((left -= this.counts[i]) <= 0) return i / 50
    return null
  }
}

const latencies = new Times()
const acks = new Times()
let measuring = false
let delivered = 0
let frames = 0
let bytes = 0
let wrong = 0

const cursorFrame = (room, id, clock) => {
  const body = encoding.createEncoder()
  encoding.writeVarUint(body, 1)
  encoding.writeVarUint(body, id)
  encoding.writeVarUint(body, clock)
  encoding.writeVarString(body, JSON.stringify({ user: { name: `person ${id}`, color: '#a1b2c3' }, pointer: { x: clock, y: id, tool: 'pointer' }, selection: [] }))
  return wire.frame(room, AWARENESS, encoder => encoding.writeVarUint8Array(encoder, encoding.toUint8Array(body)))
}

/** What an update holds, as [writer, clock, length]; wrong letters are counted. Equal bytes are read once. */
class Reader {
  constructor (writerOf) { this.writerOf = writerOf; this.recent = []; this.next = 0 }
  read (body) {
    for (const known of this.recent) if (known.body.equals(body)) return known.ranges
    const ranges = []
    for (const struct of Y.decodeUpdate(body).structs) {
      const writer = this.writerOf.get(struct.id.client)
      if (writer === undefined || struct instanceof Y.Skip) continue
      const text = struct.content?.str ?? ''
      for (let i = 0; i < struct.length; i++) if (text[i] !== letter(writer, struct.id.clock + i)) wrong++
      ranges.push([writer, struct.id.clock, struct.length])
    }
    this.recent[this.next] = { body: Buffer.from(body), ranges }
    this.next = (this.next + 1) % 16
    return ranges
  }
}

class Room {
  constructor (name, index) {
    this.name = name
    this.index = index
    this.writerOf = new Map() // Yjs client id → writer
    this.sentAt = Array.from({ length: WRITERS }, () => []) // per writer, per clock
    this.measured = Array.from({ length: WRITERS }, () => []) // whether it counts
    this.reader = new Reader(this.writerOf)
    this.clients = []
  }
}

class Client {
  constructor (room, index) {
    this.room = room
    this.index = index
    this.known = new Uint32Array(WRITERS) // the next clock of each writer that has not arrived
    this.ahead = new Map()
    this.dataFrames = 0
    this.unacked = []
    this.cursors = new Map()
    this.cursorId = 5_000_000 + index
    this.cursorClock = 0
    this.synced = new Promise(resolve => { this.onSynced = resolve })
    if (index < WRITERS) {
      this.doc = new Y.Doc({ gc: false })
      this.doc.clientID = 1000 + index
      room.writerOf.set(this.doc.clientID, index)
      this.doc.on('update', update => { this.update = update })
    }
  }

  async open () {
    const query = this.room.tickets ? `?ticket=${this.room.tickets[this.index]}&status=1` : ''
    const socket = this.socket = wire.socket(urls[this.index % urls.length], { room: this.room.name, query })
    socket.on('message', data => this.receive(data))
    socket.on('close', code => { if (!done) fail(`a socket was closed: ${code}`) })
    socket.on('error', error => fail(`a socket failed: ${error.message}`))
    await new Promise(resolve => socket.once('open', resolve))
    socket._socket.setNoDelay(true)
    socket.send(wire.hello(this.room.name))
    await this.synced
  }

  receive (data) {
    if (measuring) { frames++; bytes += data.length }
    const [type, decoder] = wire.read(data)
    if (type === SYNC) this.sync(decoder)
    else if (type === AWARENESS) this.presence(decoding.readVarUint8Array(decoder))
    else if (type === SAVED) this.acknowledged(decoding.readVarUint(decoder))
    else if (type === AUTH) this.socket.send(wire.sync(this.room.name, 0, NOTHING_KNOWN)) // signed in
  }

  sync (decoder) {
    const step = decoding.readVarUint(decoder)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) return this.socket.send(wire.sync(this.room.name, 1, NOTHING_NEW))
    if (step === 1) this.onSynced()
    const now = performance.now()
    for (const [writer, clock, length] of this.room.reader.read(body)) if (writer !== this.index) this.arrived(writer, clock, length, now)
  }

  arrived (writer, clock, length, now) {
    const next = this.known[writer]
    if (clock > next) return this.ahead.set(`${writer}:${clock}`, [writer, clock, length, now])
    const end = clock + length
    for (let at = next; at < end; at++) {
      if (this.room.measured[writer][at]) {
        latencies.add(now - this.room.sentAt[writer][at])
        delivered++
      }
    }
    if (end > next) this.known[writer] = end
    const waiting = this.ahead.get(`${writer}:${end}`)
    if (waiting) {
      this.ahead.delete(`${writer}:${end}`)
      this.arrived(...waiting)
    }
  }

  /** ours: how many data frames of this socket are saved; Hocuspocus: one of them is taken */
  acknowledged (count) {
    const now = performance.now()
    const until = wire.isHocuspocus ? this.unacked[0]?.frame : count
    while (this.unacked.length && this.unacked[0].frame <= until) {
      const { at, measured } = this.unacked.shift()
      if (measured) acks.add(now - at)
    }
  }

  presence (body) {
    const decoder = decoding.createDecoder(body)
    for (let count = decoding.readVarUint(decoder); count > 0; count--) {
      const id = decoding.readVarUint(decoder)
      decoding.readVarUint(decoder)
      const state = decoding.readVarString(decoder)
      if (CURSORS) this.cursors.set(id, state)
    }
  }

  type () {
    const text = this.doc.getText('text')
    const clock = text.length
    text.insert(clock, letter(this.index, clock))
    this.room.sentAt[this.index][clock] = performance.now()
    this.room.measured[this.index][clock] = measuring
    this.dataFrames++
    // Ours counts the answer to its step 1 as the first data frame.
    this.unacked.push({ frame: this.dataFrames + 1, at: performance.now(), measured: measuring })
    this.socket.send(wire.sync(this.room.name, 2, this.update))
  }

  move () {
    this.socket.send(cursorFrame(this.room.name, this.cursorId, ++this.cursorClock))
  }
}

let done = false
const fail = why => { process.stderr.write(why + '\n'); process.exit(1) }

const all = rooms.map((room, index) => Object.assign(new Room(room.name, index), { tickets: room.tickets }))
for (const room of all) {
  for (let index = 0; index < CLIENTS; index++) {
    const client = new Client(room, index)
    room.clients.push(client)
    await client.open()
  }
}

/** Numbers in (0, 1), the same for every server. Source: Tommy Ettinger's mulberry32. */
let seed = 1
const random = () => {
  seed = (seed + 0x6D2B79F5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 || Number.EPSILON
}

/** People write at random moments (a Poisson process), and move at a steady rate. The timer's tick is a millisecond. */
const acts = []
const every = (members, act, gap) => members.forEach(member => acts.push({ act: () => act(member), gap, due: random() * gap() }))
every(all.flatMap(room => room.clients.slice(0, WRITERS)), client => client.type(), () => -Math.log(random()) * 1000 / hz)
if (CURSORS) every(all.flatMap(room => room.clients.slice(0, CURSORS)), client => client.move(), () => 1000 / CURSOR_HZ)

const began = performance.now()
const warm = WARM_S * 1000
const end = warm + MEASURE_S * 1000
await new Promise(resolve => {
  const turn = () => {
    const now = performance.now() - began
    if (!measuring && now >= warm) { measuring = true; process.stdout.write('measure\n') }
    if (now >= end) return resolve()
    for (const one of acts) {
      if (one.due > now) continue
      one.act()
      one.due += one.gap()
    }
    setTimeout(turn, 1)
  }
  turn()
})
const sent = all.flatMap(room => room.measured.flat()).filter(Boolean).length
const expected = sent * (CLIENTS - 1)
for (let tries = 0; tries < 500 && delivered < expected; tries++) await sleep(10)
measuring = false
process.stdout.write('measured\n')
await sleep(200)

const missing = all.flatMap(room => room.clients).reduce((sum, client) => sum + client.room.sentAt.reduce((lacking, times, writer) => lacking + (writer === client.index ? 0 : times.length - client.known[writer]), 0), 0)

/** A late client, whose document is Yjs's own, gets all from the server. */
const late = async room => {
  const doc = new Y.Doc()
  const client = new Client(room, CLIENTS)
  client.sync = decoder => {
    const step = decoding.readVarUint(decoder)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) return client.socket.send(wire.sync(room.name, 1, NOTHING_NEW))
    Y.applyUpdate(doc, body)
    client.onSynced()
  }
  await client.open()
  const wanted = new Y.Doc()
  for (const writer of room.clients.slice(0, WRITERS)) Y.applyUpdate(wanted, Y.encodeStateAsUpdate(writer.doc))
  return doc.getText('text').toString() === wanted.getText('text').toString() && wanted.getText('text').length > 0
}
let unequal = 0
for (const room of all.slice(0, 20)) if (!await late(room)) unequal++

let staleCursors = 0
for (const room of all) {
  for (const client of room.clients) {
    for (const other of room.clients.slice(0, CURSORS)) {
      if (other !== client && JSON.parse(client.cursors.get(other.cursorId) ?? 'null')?.pointer.x !== other.cursorClock) staleCursors++
    }
  }
}
done = true
process.stdout.write(JSON.stringify({
  delivered, expected, missing, wrong, unequal, stale_cursors: staleCursors, frames, bytes,
  p50_ms: latencies.at(0.5), p99_ms: latencies.at(0.99), ack_p50_ms: acks.at(0.5), ack_p99_ms: acks.at(0.99)
}) + '\n')
process.exit(0)

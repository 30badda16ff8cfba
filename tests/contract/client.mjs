// Stock clients of y-websocket or Hocuspocus, driven by JSON lines on stdin; answers with JSON lines on stdout. One
// process is one browser profile: mostly with one tab, `tab: 1` is a second one, which y-websocket joins to the first.
import * as readline from 'node:readline'
import WebSocket from 'ws'
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import * as V2 from 'y-websocket-2'
import * as V3 from 'y-websocket-3'
import * as V4 from '@y/websocket'
import * as Y14 from '@y/y'
import * as H3 from 'hocuspocus-provider-3'
import * as H4 from 'hocuspocus-provider-4'

const providers = { 2: V2.WebsocketProvider, 3: V3.WebsocketProvider, 4: V4.WebsocketProvider }
const hocuspocus = { 3: H3, 4: H4 }
const tabs = []
const told = []
const others = {} // providers of further documents on the same socket, by name

const wait = async (test, timeoutMs) => {
  const end = Date.now() + timeoutMs
  while (!test()) {
    if (Date.now() > end) return false
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return true
}

/** Yjs 14 has one shared type for all, and other names for what a map does. */
const map = (doc, name) => doc instanceof Y.Doc
  ? doc.getMap(name)
  : { set: (key, value) => doc.get(name).setAttr(key, value), get: key => doc.get(name).getAttr(key) }
const text = doc => doc instanceof Y.Doc ? doc.getText('text') : doc.get('text')

// The recipe of protocol.md: stop the provider's own reconnect, which would use the spent ticket again.
const open = ({ tab = 0, url, room, version, params, tabsTalk = false }) => {
  const doc = version === 4 ? new Y14.Doc() : new Y.Doc()
  const provider = new providers[version](url, room, doc, { connect: false, WebSocketPolyfill: WebSocket, params, disableBc: !tabsTalk })
  const made = tabs[tab] = { doc, provider, closes: [], committed: 0 }
  provider.messageHandlers[8] = (_encoder, decoder) => { made.committed = decoding.readVarUint(decoder) }
  provider.on('connection-close', event => {
    made.closes.push(event ? event.code : 0)
    provider.shouldConnect = false
  })
  provider.connect()
  return wait(() => provider.synced || made.closes.length > 0, 10000)
}

// Hocuspocus: one socket for all documents of this process; `token` is sent each time that the socket opens.
let socket
const provide = ({ url, name, version, token, document, session }) => {
  const { HocuspocusProvider, HocuspocusProviderWebsocket } = hocuspocus[version]
  socket ??= new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket, delay: 100, minDelay: 100 })
  const made = new HocuspocusProvider({ websocketProvider: socket, name, document, token, sessionAwareness: session })
  made.on('authenticationFailed', ({ reason }) => told.push(['refused', reason]))
  made.on('authenticated', ({ scope }) => told.push(['scope', scope ?? made.authorizedScope]))
  made.on('stateless', ({ payload }) => told.push(['stateless', payload]))
  made.on('close', ({ event }) => tabs[0].closes.push(event.reason ?? event.code))
  made.attach()
  return made
}
const openHocuspocus = async options => {
  const doc = new Y.Doc()
  tabs[0] = { doc, closes: [] }
  const provider = tabs[0].provider = provide({ ...options, document: doc })
  return wait(() => (provider.synced && !provider.hasUnsyncedChanges) || told.some(([what]) => what === 'refused'), 10000)
}

const plain = value => value instanceof Y.AbstractType ? value.toJSON() : value
const same = (value, wanted) => JSON.stringify(plain(value) ?? null) === JSON.stringify(wanted)
const commands = {
  open,
  openHocuspocus,
  openOther: async ({ key, ...options }) => {
    others[key] = provide({ ...options, document: new Y.Doc() })
    return wait(() => others[key].synced, 10000)
  },
  openRefused: options => { others.refused = provide({ ...options, document: new Y.Doc() }) },
  untilOther: ({ key, map: name, name: entry, value, timeoutMs }) =>
    wait(() => same(map(others[key].document, name).get(entry), value), timeoutMs ?? 5000),
  setOther: ({ key, map: name, name: entry, value }) => { map(others[key].document, name).set(entry, value) },
  leaveOther: ({ key }) => { others[key].destroy() },
  told: () => told,
  untilTold: ({ what, timeoutMs }) => wait(() => told.some(one => same(one, what)), timeoutMs ?? 5000),
  stateless: ({ text }) => tabs[0].provider.sendStateless(text),
  token: ({ token }) => { tabs[0].provider.configuration.token = token; return tabs[0].provider.sendToken() },
  forceSync: () => tabs[0].provider.forceSync(),
  unsynced: () => tabs[0].provider.unsyncedChanges,
  untilSynced: ({ timeoutMs }) => wait(() => tabs[0].provider.synced && !tabs[0].provider.hasUnsyncedChanges, timeoutMs ?? 5000),
  cut: () => { socket.webSocket.terminate() },
  reconnect: ({ params }) => {
    const { provider, closes } = tabs[0]
    const before = closes.length
    provider.params = params
    provider.connect()
    return wait(() => provider.synced || closes.length > before, 10000).then(() => provider.synced)
  },
  disconnect: ({ tab = 0 }) => tabs[tab].provider.disconnect(),
  set: ({ tab = 0, map: name, key, value }) => { map(tabs[tab].doc, name).set(key, value) },
  type: ({ text: more }) => { text(tabs[0].doc).insert(text(tabs[0].doc).length, more) },
  get: ({ map: name, key }) => plain(map(tabs[0].doc, name).get(key)) ?? null,
  text: () => text(tabs[0].doc).toString(),
  until: ({ tab = 0, map: name, key, value, timeoutMs }) =>
    wait(() => same(map(tabs[tab].doc, name).get(key), value), timeoutMs ?? 5000),
  entries: ({ map: name }) => map(tabs[0].doc, name).toJSON(),
  untilText: ({ length, timeoutMs }) => wait(() => text(tabs[0].doc).length === length, timeoutMs ?? 5000),
  state: ({ tab = 0, state }) => { tabs[tab].provider.awareness.setLocalState(state) },
  states: () => [...tabs[0].provider.awareness.getStates()].map(([id, state]) => ({ id, mine: id === tabs[0].doc.clientID, state })),
  untilStates: ({ count, timeoutMs }) => wait(() => tabs[0].provider.awareness.getStates().size === count, timeoutMs ?? 5000),
  untilSaved: async ({ frames, timeoutMs }) => { await wait(() => tabs[0].committed >= frames, timeoutMs ?? 5000); return tabs[0].committed },
  untilClosed: async ({ timeoutMs }) => { await wait(() => tabs[0].closes.length > 0, timeoutMs ?? 5000); return tabs[0].closes },
  closes: ({ tab = 0 }) => tabs[tab].closes,
  connected: () => tabs[0].provider.wsconnected,
  snapshot: () => Buffer.from(Y.encodeStateAsUpdate(tabs[0].doc)).toString('base64')
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...rest } = JSON.parse(line)
  const answer = await commands[op](rest)
  process.stdout.write(JSON.stringify(answer === undefined ? null : answer) + '\n')
}
process.exit(0)

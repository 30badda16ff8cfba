// One stock client, of y-websocket or Hocuspocus, driven by JSON lines on stdin; answers with JSON lines on stdout.
import * as readline from 'node:readline'
import WebSocket from 'ws'
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import * as V2 from 'y-websocket-2'
import * as V3 from 'y-websocket-3'
import * as H3 from 'hocuspocus-provider-3'
import * as H4 from 'hocuspocus-provider-4'

const providers = { 2: V2.WebsocketProvider, 3: V3.WebsocketProvider }
const hocuspocus = { 3: H3, 4: H4 }
const doc = new Y.Doc()
const closes = []
let provider
let committed = 0
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

// The recipe of protocol.md: stop the provider's own reconnect, which would use the spent ticket again.
const open = ({ url, room, version, params }) => {
  provider = new providers[version](url, room, doc, { connect: false, WebSocketPolyfill: WebSocket, params, disableBc: true })
  provider.messageHandlers[8] = (_encoder, decoder) => { committed = decoding.readVarUint(decoder) }
  provider.on('connection-close', event => {
    closes.push(event ? event.code : 0)
    provider.shouldConnect = false
  })
  provider.connect()
  return wait(() => provider.synced || closes.length > 0, 10000)
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
  made.on('close', ({ event }) => closes.push(event.reason ?? event.code))
  made.attach()
  return made
}
const openHocuspocus = async options => {
  provider = provide({ ...options, document: doc })
  return wait(() => (provider.synced && !provider.hasUnsyncedChanges) || told.some(([what]) => what === 'refused'), 10000)
}

const plain = value => value instanceof Y.AbstractType ? value.toJSON() : value
const commands = {
  open,
  openHocuspocus,
  openOther: async ({ key, ...options }) => {
    others[key] = provide({ ...options, document: new Y.Doc() })
    return wait(() => others[key].synced, 10000)
  },
  openRefused: options => { others.refused = provide({ ...options, document: new Y.Doc() }) },
  untilOther: ({ key, map, name, value, timeoutMs }) =>
    wait(() => JSON.stringify(plain(others[key].document.getMap(map).get(name)) ?? null) === JSON.stringify(value), timeoutMs ?? 5000),
  setOther: ({ key, map, name, value }) => { others[key].document.getMap(map).set(name, value) },
  leaveOther: ({ key }) => { others[key].destroy() },
  told: () => told,
  untilTold: ({ what, timeoutMs }) => wait(() => told.some(one => JSON.stringify(one) === JSON.stringify(what)), timeoutMs ?? 5000),
  stateless: ({ text }) => provider.sendStateless(text),
  token: ({ token }) => { provider.configuration.token = token; return provider.sendToken() },
  forceSync: () => provider.forceSync(),
  unsynced: () => provider.unsyncedChanges,
  untilSynced: ({ timeoutMs }) => wait(() => provider.synced && !provider.hasUnsyncedChanges, timeoutMs ?? 5000),
  cut: () => { socket.webSocket.terminate() },
  reconnect: ({ params }) => {
    const before = closes.length
    provider.params = params
    provider.connect()
    return wait(() => provider.synced || closes.length > before, 10000).then(() => provider.synced)
  },
  disconnect: () => provider.disconnect(),
  set: ({ map, key, value }) => { doc.getMap(map).set(key, value) },
  type: ({ text }) => { doc.getText('text').insert(doc.getText('text').length, text) },
  get: ({ map, key }) => plain(doc.getMap(map).get(key)) ?? null,
  text: () => doc.getText('text').toString(),
  until: ({ map, key, value, timeoutMs }) =>
    wait(() => JSON.stringify(plain(doc.getMap(map).get(key)) ?? null) === JSON.stringify(value), timeoutMs ?? 5000),
  entries: ({ map }) => doc.getMap(map).toJSON(),
  untilText: ({ length, timeoutMs }) => wait(() => doc.getText('text').length === length, timeoutMs ?? 5000),
  state: ({ state }) => { provider.awareness.setLocalState(state) },
  states: () => [...provider.awareness.getStates()].map(([id, state]) => ({ id, mine: id === doc.clientID, state })),
  untilStates: ({ count, timeoutMs }) => wait(() => provider.awareness.getStates().size === count, timeoutMs ?? 5000),
  untilSaved: async ({ frames, timeoutMs }) => { await wait(() => committed >= frames, timeoutMs ?? 5000); return committed },
  untilClosed: async ({ timeoutMs }) => { await wait(() => closes.length > 0, timeoutMs ?? 5000); return closes },
  closes: () => closes,
  connected: () => provider.wsconnected,
  snapshot: () => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64')
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...rest } = JSON.parse(line)
  const answer = await commands[op](rest)
  process.stdout.write(JSON.stringify(answer === undefined ? null : answer) + '\n')
}
process.exit(0)

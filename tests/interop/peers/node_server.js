// An SMSC made with node-smpp: takes commands and tells events, one JSON object a line.
// usage: node node_server.js        deliver_sm for {"do": "deliver", …}; a receipt for each submit_sm that asks for one
const readline = require('readline');
const smpp = require('smpp');

const tell = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
let session = null;
let ids = 0;

function receipt(pdu, id) {
  session.deliver_sm({
    source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi, source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi, destination_addr: pdu.source_addr,
    esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, data_coding: 0,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:`,
    receipted_message_id: id, message_state: smpp.MESSAGE_STATE.DELIVERED,
  }, (answer) => tell('receipted', { status: answer.command_status, message_id: id }));
}

const server = smpp.createServer((connected) => {
  const bind = (pdu) => {
    if (pdu.password !== 'secret') {
      connected.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return;
    }
    session = connected;
    connected.send(pdu.response({ system_id: 'node-smsc', sc_interface_version: 0x34 }));
    tell('bound', { command: pdu.command, system_id: pdu.system_id, interface_version: pdu.interface_version });
  };
  for (const name of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) connected.on(name, bind);
  connected.on('submit_sm', (pdu) => {
    const id = `n-${++ids}`;
    const body = pdu.short_message;
    tell('submit', {
      message_id: id, from: pdu.source_addr, to: pdu.destination_addr, text: body.message.toString(),
      part: body.udh ? body.udh[0].toString('hex') : '', esm_class: pdu.esm_class, data_coding: pdu.data_coding,
      registered_delivery: pdu.registered_delivery,
    });
    connected.send(pdu.response({ message_id: id }));
    if (pdu.registered_delivery & 1) receipt(pdu, id);
  });
  connected.on('enquire_link', (pdu) => { connected.send(pdu.response()); tell('enquire_link', {}); });
  connected.on('unbind', (pdu) => { connected.send(pdu.response()); tell('unbound', {}); connected.close(); });
  connected.on('error', (error) => tell('error', { text: String(error) }));
});

const commands = {
  deliver(command) {
    const octets = Buffer.from(command.octets, 'hex');
    const fields = {
      source_addr_ton: 1, source_addr_npi: 1, source_addr: command.from, dest_addr_npi: 1,
      destination_addr: command.to, esm_class: command.esm_class, data_coding: command.data_coding,
      short_message: command.payload ? Buffer.alloc(0) : octets,
    };
    if (command.payload) fields.message_payload = octets;
    session.deliver_sm(fields, (answer) => tell('delivered', { status: answer.command_status }));
  },
  enquire_link() { session.enquire_link({}, (answer) => tell('enquired', { status: answer.command_status })); },
  unbind() { session.unbind({}, (answer) => tell('unbound', { status: answer.command_status })); },
};
readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const command = JSON.parse(line); commands[command.do](command); })
  .on('close', () => process.exit(0));
server.listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));

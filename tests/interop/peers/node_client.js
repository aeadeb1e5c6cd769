// An ESME made with node-smpp: takes commands and tells events, one JSON object a line.
// usage: node node_client.js PORT
const readline = require('readline');
const smpp = require('smpp');

const tell = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
const session = smpp.connect({ url: `smpp://127.0.0.1:${process.argv[2]}` });
let reference = 0;

function submit(to, fields) {
  session.submit_sm({
    source_addr_npi: 1, source_addr: '12345', dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: to,
    registered_delivery: 1, ...fields,
  }, (answer) => tell('submitted', { status: answer.command_status, message_id: answer.message_id || '' }));
}

const commands = {
  bind(command) {
    session[`bind_${command.as}`]({ system_id: command.system_id, password: command.password, interface_version: 0x34 },
      (answer) => tell('bound', { status: answer.command_status, system_id: answer.system_id || '' }));
  },
  submit(command) {
    const { text, to } = command;
    if (command.form === 'payload') submit(to, { data_coding: 0, message_payload: text });
    else if (command.form === 'ucs2') submit(to, { data_coding: 8, short_message: text });
    else if (command.form === 'gsm') submit(to, { data_coding: 0, short_message: text });
    else {
      const parts = text.match(/[^]{1,70}/g);
      reference += 1;
      parts.forEach((message, i) => submit(to, {
        data_coding: 0, short_message: { udh: Buffer.from([5, 0, 3, reference, parts.length, i + 1]), message },
      }));
    }
  },
  enquire_link() { session.enquire_link({}, (answer) => tell('enquired', { status: answer.command_status })); },
  unbind() {
    session.unbind({}, (answer) => { tell('unbound', { status: answer.command_status }); session.close(); });
  },
};

session.on('deliver_sm', (pdu) => {
  const body = pdu.short_message;
  tell('deliver', {
    from: pdu.source_addr, to: pdu.destination_addr, text: body.message.toString(), esm_class: pdu.esm_class,
    part: body.udh ? body.udh[0].toString('hex') : '', data_coding: pdu.data_coding,
    message_id: pdu.receipted_message_id || '', state: pdu.message_state || 0,
  });
  session.send(pdu.response());
});
session.on('enquire_link', (pdu) => { session.send(pdu.response()); tell('enquire_link', {}); });
session.on('error', (error) => tell('error', { text: String(error) }));
session.on('close', () => { tell('closed', {}); process.exit(0); });
session.on('connect', () => readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const command = JSON.parse(line); commands[command.do](command); })
  .on('close', () => process.exit(0)));

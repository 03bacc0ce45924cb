//! A tenant's schemas: which file for which events. The files are opened where components are, not here.

use std::collections::{BTreeMap, BTreeSet};

use wharf_delivery::SchemaMode;
use wharf_event::{BusName, SchemaName, limits::ATTRIBUTE_BYTES_MAX};

use super::{
    keys::DEFAULT_BUS,
    read::SchemaConfig,
    table::{Found, Sink, Table},
};

/// Reads all of them; each pair of a bus and a type has one schema.
pub(super) fn read(table: &Table<'_>, buses: &BTreeSet<BusName>, sink: &Sink) -> BTreeMap<SchemaName, SchemaConfig> {
    let mut schemas = BTreeMap::new();
    let mut bound = BTreeMap::new();
    for (name, table) in table.named::<SchemaName>("schemas") {
        let span = table.span.clone();
        let Some(schema) = read_one(&name, &table, buses, sink) else { continue };
        if let Some(other) = bound.insert((schema.bus.clone(), schema.kind.clone()), name.clone()) {
            let message = format!("schema `{other}` is for `{}` on the bus `{}` already", schema.kind, schema.bus);
            sink.report(span, message, "remove one of the two, or give them different types or buses");
        }
        schemas.insert(name, schema);
    }
    schemas
}

fn read_one(name: &SchemaName, table: &Table<'_>, buses: &BTreeSet<BusName>, sink: &Sink) -> Option<SchemaConfig> {
    let file = table.parsed::<String>("file");
    if table.value("file").is_none() {
        table.missing("file", "name the file of a JSON Schema: file = \"order.schema.json\"");
    }
    let bus = table.parsed::<BusName>("bus");
    if let Some(bus) = bus.as_ref().filter(|bus| !bus.value.is_plain() || !buses.contains(&bus.value)) {
        let message = format!("there is no event bus `{}`", bus.value);
        let help = match bus.value.is_plain() {
            true => format!("add a table `buses.{}` to the tenant", bus.value),
            false => "schemas are of event buses: what comes to topics and queues is held against none".to_owned(),
        };
        let buses = buses.iter().filter(|bus| bus.is_plain()).map(BusName::as_str);
        sink.report_unknown(bus.span.clone(), message, bus.value.as_str(), buses, help);
    }
    let kind = table.parsed_by("type", |text| match text.len() {
        0 => Err("no event has an empty `type`"),
        1..=ATTRIBUTE_BYTES_MAX => Ok(text.to_owned()),
        _ => Err("no event has a `type` as long as this"),
    });
    let mode = table.parsed::<SchemaMode>("mode");
    let Found { value: file, span: file_span } = file?;
    Some(SchemaConfig {
        file,
        file_span,
        bus: bus.map(|bus| bus.value).or_else(|| DEFAULT_BUS.parse().ok())?,
        kind: kind.map_or_else(|| name.to_string(), |kind| kind.value),
        mode: mode.map_or_else(SchemaMode::default, |mode| mode.value),
    })
}

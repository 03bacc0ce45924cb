//! Tenants and event buses as JSON, which the API takes: the twins of their tables in `wharf.toml`.

use wharf_delivery::{RetentionDocument, TenantSettings};
use wharf_event::{BusName, Code, TenantName};

use super::{
    json_table::{ROOT, Reading, Wrong},
    keys::{BUS, Key, WHOLE},
    table::{Sink, Table},
    tenant,
};

/// Reads what holds for a tenant as a whole.
///
/// # Errors
/// Every mistake.
pub fn read_tenant_settings(json: &[u8], tenant: &TenantName) -> Result<TenantSettings, Wrong> {
    read(json, Code::TenantInvalid, (WHOLE, format!("tenant `{tenant}`")), |table| tenant::read_whole(&table))
}

/// Reads how long a bus keeps its events.
///
/// # Errors
/// Every mistake.
pub fn read_bus(json: &[u8], bus: &BusName) -> Result<RetentionDocument, Wrong> {
    read(json, Code::BusInvalid, (BUS, format!("bus `{bus}`")), |table| {
        table.table("retention").map(tenant::read_retention).unwrap_or_default()
    })
}

fn read<T>(
    json: &[u8],
    code: Code,
    (keys, what): (&'static [Key], String),
    of: impl FnOnce(Table<'_>) -> T,
) -> Result<T, Wrong> {
    let members = Reading::members(json, &format!("what is put as {what}"), code)?;
    let mut reading = Reading::new(code);
    let (table, sink) = (reading.table(members), Sink::default());
    let read = of(Table::new(&table, keys, what, ROOT, &sink));
    reading.take(sink.into_list(), None);
    reading.end().map_or(Ok(read), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_tables_would_be() {
        let (tenant, bus) = ("acme".parse().unwrap(), "orders".parse().unwrap());
        assert_eq!(read_tenant_settings(b"{}", &tenant), Ok(TenantSettings::default()));
        assert!(read_tenant_settings(br#"{"suspended": true}"#, &tenant).unwrap().suspended);
        let read = read_tenant_settings(br#"{"weight": 7, "concurrency": 8, "memory_mib": 9}"#, &tenant).unwrap();
        assert_eq!((read.weight(), read.concurrency(), read.memory_mib()), (7, 8, 9));
        assert_eq!(read_bus(b"{}", &bus), Ok(RetentionDocument::default()));
        let read = read_bus(br#"{"retention": {"age": "1h", "size": "1MiB"}}"#, &bus).unwrap();
        assert_eq!(read, RetentionDocument { age_ms: 3_600_000, size_bytes: 1 << 20 });
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let (tenant, bus) = ("acme".parse().unwrap(), "orders".parse().unwrap());
        let wrong = read_tenant_settings(br#"{"suspended": 1, "buses": {}}"#, &tenant).unwrap_err();
        let mut pointers: Vec<_> = wrong.mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!((wrong.code, pointers), (Code::TenantInvalid, vec!["/buses", "/suspended"]));
        let wrong = read_bus(br#"{"retention": {"age": "soon"}}"#, &bus).unwrap_err();
        assert_eq!((wrong.code, wrong.mistakes[0].pointer.as_str()), (Code::BusInvalid, "/retention/age"));
        assert_eq!(read_bus(b"7", &bus).unwrap_err().code, Code::BusInvalid);
    }
}

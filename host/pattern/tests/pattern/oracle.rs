//! The language once more, as plainly as it can be said, to hold the product against. Invariant: it shares nothing with the
//! product: JSON is `serde_json`'s, addresses are the standard library's, and every choice of values is tried.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::Value;

/// A scalar of an event, its path, and which element of which list it is in.
type Found = (String, Value, BTreeMap<usize, usize>);

/// Whether an event matches a pattern that is none but a good one.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    let mut found = Vec::new();
    collect(event, "", &BTreeMap::new(), &mut 0, &mut found);
    let mut ways = vec![BTreeMap::new()];
    read(pattern, "", &mut ways);
    ways.iter().any(|way| {
        let fields: Vec<(&String, &Vec<Value>)> = way.iter().map(|(path, wanted)| (path, *wanted)).collect();
        try_from(&fields, &found, &BTreeMap::new())
    })
}

fn joined(path: &str, name: &str, root: bool) -> String {
    if root { name.to_owned() } else { format!("{path}.{name}") }
}

fn collect(json: &Value, path: &str, lists: &BTreeMap<usize, usize>, count: &mut usize, found: &mut Vec<Found>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, &joined(path, name, path.is_empty()), lists, count, found);
            }
        }
        Value::Array(items) => {
            *count += 1;
            let own = *count;
            for (n, item) in items.iter().enumerate() {
                let mut below = lists.clone();
                if item.is_object() || item.is_array() {
                    below.insert(own, n);
                }
                collect(item, path, &below, count, found);
            }
        }
        scalar => found.push((path.to_owned(), scalar.clone(), lists.clone())),
    }
}

fn read<'a>(pattern: &'a Value, path: &str, ways: &mut Vec<BTreeMap<String, &'a Vec<Value>>>) {
    for (name, value) in pattern.as_object().unwrap() {
        if name == "$or" {
            let before = std::mem::take(ways);
            for branch in value.as_array().unwrap() {
                let mut along = before.clone();
                read(branch, path, &mut along);
                ways.extend(along);
            }
            continue;
        }
        let below = joined(path, name, path.is_empty());
        match value {
            Value::Array(items) => ways.iter_mut().for_each(|way| {
                way.insert(below.clone(), items);
            }),
            nested => read(nested, &below, ways),
        }
    }
}

/// Whether the values can be chosen so that no list is passed at two of its elements.
fn try_from(fields: &[(&String, &Vec<Value>)], found: &[Found], so_far: &BTreeMap<usize, usize>) -> bool {
    let Some(((path, wanted), rest)) = fields.split_first() else { return true };
    let agrees =
        |lists: &BTreeMap<usize, usize>| lists.iter().all(|(list, n)| so_far.get(list).is_none_or(|own| own == n));
    let here: Vec<&Found> = found.iter().filter(|(other, _, lists)| other == *path && agrees(lists)).collect();
    if here.is_empty() && wanted.contains(&serde_json::json!({"exists": false})) && try_from(rest, found, so_far) {
        return true;
    }
    here.iter().any(|(_, value, lists)| {
        let mut now = so_far.clone();
        now.extend(lists);
        wanted.iter().any(|condition| holds(condition, value)) && try_from(rest, found, &now)
    })
}

/// Whether a value that is there is as one entry of a list wants it.
fn holds(condition: &Value, found: &Value) -> bool {
    let Value::Object(operator) = condition else { return equals(condition, found) };
    let (name, operand) = operator.iter().next().unwrap();
    let text = found.as_str();
    match name.as_str() {
        "exactly" => found == operand,
        "exists" => operand == true,
        "prefix" => text.is_some_and(|text| affixed(operand, text, |text, affix| text.starts_with(affix))),
        "suffix" => text.is_some_and(|text| affixed(operand, text, |text, affix| text.ends_with(affix))),
        "equals-ignore-case" => text.is_some_and(|text| lower(text) == lower(operand.as_str().unwrap())),
        "wildcard" => text.is_some_and(|text| wildcard(operand.as_str().unwrap().as_bytes(), text.as_bytes())),
        "cidr" => text.is_some_and(|text| within(operand.as_str().unwrap(), text)),
        "numeric" => found.as_f64().is_some_and(|found| {
            operand
                .as_array()
                .unwrap()
                .chunks(2)
                .all(|pair| compare(pair[0].as_str().unwrap(), found, pair[1].as_f64().unwrap()))
        }),
        "anything-but" => !unwanted(operand, found),
        other => panic!("{other}"),
    }
}

fn equals(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => a == b || address(a).is_some_and(|a| Some(a) == address(b)),
        _ => wanted == found,
    }
}

fn unwanted(operand: &Value, found: &Value) -> bool {
    match operand {
        Value::Array(items) => items.iter().any(|item| unwanted(item, found)),
        Value::Object(operator) => {
            let (name, operand) = operator.iter().next().unwrap();
            let all = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
            all.iter().any(|one| holds(&serde_json::json!({name: one}), found))
        }
        Value::Number(a) => found.as_f64().is_some_and(|b| a.as_f64() == Some(b)),
        scalar => scalar == found,
    }
}

fn compare(sign: &str, a: f64, b: f64) -> bool {
    match sign {
        "=" => a == b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        other => panic!("{other}"),
    }
}

fn affixed(operand: &Value, text: &str, has: impl Fn(&str, &str) -> bool) -> bool {
    match operand {
        Value::Object(inner) => has(&lower(text), &lower(inner["equals-ignore-case"].as_str().unwrap())),
        plain => has(text, plain.as_str().unwrap()),
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|n| wildcard(rest, &text[n..])),
        [b'\\', escaped, rest @ ..] | [escaped, rest @ ..] => {
            text.split_first().is_some_and(|(first, text)| first == escaped && wildcard(rest, text))
        }
    }
}

/// The standard library takes no zeros before the digits of an IPv4 part, and takes dots in IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let parts: Vec<&str> = text.split('.').map(|part| part.trim_start_matches('0')).collect();
    let dotted = parts.iter().map(|part| if part.is_empty() { "0" } else { part }).collect::<Vec<_>>().join(".");
    match if text.contains(':') { text } else { &dotted }.parse().ok()? {
        IpAddr::V6(_) if text.contains('.') => None,
        IpAddr::V6(v6) => Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)),
        v4 => Some(v4),
    }
}

fn within(block: &str, text: &str) -> bool {
    let (first, mask) = block.split_once('/').unwrap();
    let mask: u32 = mask.parse().unwrap();
    match (address(first), address(text)) {
        (Some(IpAddr::V4(a)), Some(IpAddr::V4(b))) => {
            let last = Ipv4Addr::from(u32::from(a) | ((1u64 << (32 - mask)) - 1) as u32);
            a <= b && b <= last
        }
        (Some(IpAddr::V6(a)), Some(IpAddr::V6(b))) => {
            let last = Ipv6Addr::from(u128::from(a) | u128::MAX.checked_shr(mask).unwrap_or(0));
            a <= b && b <= last
        }
        _ => false,
    }
}

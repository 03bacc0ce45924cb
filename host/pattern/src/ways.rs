//! The ways through a pattern's `$or`: each is a list of fields that must all match. Invariant: it means what event-ruler
//! takes it to mean, which reads from the top and lets a field that is named again replace what was said of it before, along
//! every way that is open by then.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    limits::{PATTERN_FIELDS_MAX, PATTERN_WAYS_MAX},
    pattern::{Fields, Leaf, Member},
};

/// Fields that must all match, by their paths, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) leaves: Box<[Arc<Leaf>]>,
}

/// A limit that multiplying out would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Ways,
    Fields,
}

type Open<'a> = Vec<BTreeMap<&'a str, &'a Arc<Leaf>>>;

/// Multiplies out.
pub(crate) fn of(root: &Fields) -> Result<Arc<[Way]>, Excess> {
    let mut open = vec![BTreeMap::new()];
    read(root, &mut open)?;
    let way = |leaves: BTreeMap<&str, &Arc<Leaf>>| {
        if leaves.len() > PATTERN_FIELDS_MAX {
            return Err(Excess::Fields);
        }
        Ok(Way { leaves: leaves.into_values().cloned().collect() })
    };
    open.into_iter().map(way).collect()
}

fn read<'a>(fields: &'a Fields, open: &mut Open<'a>) -> Result<(), Excess> {
    for (_, member) in &fields.members {
        match member {
            Member::Nested(fields) => read(fields, open)?,
            Member::Leaf(leaf) => {
                for way in open.iter_mut() {
                    way.insert(&leaf.path, leaf);
                }
            }
            Member::Or(branches) => {
                if open.len() * branches.len() > PATTERN_WAYS_MAX {
                    return Err(Excess::Ways);
                }
                let before = std::mem::take(open);
                for branch in branches {
                    let mut along = before.clone();
                    read(branch, &mut along)?;
                    open.append(&mut along);
                    if open.len() > PATTERN_WAYS_MAX {
                        return Err(Excess::Ways);
                    }
                }
            }
        }
    }
    Ok(())
}

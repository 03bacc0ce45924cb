//! `wharf model baseline` and `wharf model drift`: what a model was trained with, and how far what it is asked about is from that.
//!
//! Invariant: the rows themselves stay where they are: what is sent is 101 quantiles of each column.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use wharf_catalog::quantiles;
use wharf_event::ModelName;
use wharf_gateway::view::{
    BaselineColumnDraft, BaselineDraft, BaselineView, ColumnDriftView, DriftView, ModelDetail, VersionDriftView,
};

use super::{
    error::{CommandError, Exit},
    input::unreadable,
    model::at,
    object,
    output::Output,
    session::Session,
    words::{good, strong},
};
use crate::{
    client::{ClientError, Condition},
    compile::read_bounded,
};

/// The largest file of rows.
const ROWS_BYTES_MAX: u64 = 256 << 20;

/// `wharf model baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// The model
    model: ModelName,
    /// Rows that it was trained with, as CSV: a first line of names, and then numbers; an empty field is no number
    #[arg(required_unless_present = "none")]
    file: Option<PathBuf>,
    /// The input that the columns are of, in their order; else the only input of the newest version, or the one that each column is called by
    #[arg(long)]
    input: Option<String>,
    /// Rows that are held against it together; 1000 if it is left out
    #[arg(long)]
    window: Option<u32>,
    /// A column with a larger population stability index drifted; 0.2 if it is left out
    #[arg(long)]
    psi: Option<f64>,
    /// A column whose distribution is farther off (Kolmogorov and Smirnov) drifted; 0.2 if it is left out
    #[arg(long)]
    ks: Option<f64>,
    /// Hold it against none any more
    #[arg(long, conflicts_with_all = ["file", "input", "window", "psi", "ks"])]
    none: bool,
}

/// Sets a baseline.
///
/// # Errors
/// When the host refuses, or the file has no rows of numbers.
pub async fn baseline(args: BaselineArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let BaselineArgs { model, file, input, window, psi, ks, none: _ } = args;
    let resource = at(session, &model).at("baseline");
    let Some(file) = file else {
        return object::remove(session, &resource, &model, out).await;
    };
    let bytes = read_bounded(&file, ROWS_BYTES_MAX + 1).map_err(|source| unreadable(&file, source))?;
    let (rows, columns) = columns(&file, &bytes)?;
    let inputs = match input {
        Some(input) => BTreeMap::from([(input, columns)]),
        None => {
            let detail: ModelDetail = session.client.get(&at(session, &model)).await?;
            let ports = detail.versions.first().map(|newest| newest.inputs.as_slice()).unwrap_or_default();
            of_inputs(ports, columns)
        }
    };
    let draft = BaselineDraft { rows, window, psi, ks, inputs };
    let body = serde_json::to_vec(&draft).map_err(ClientError::NotUnderstood)?;
    let kept: BaselineView = session.client.put(&resource, body, Condition::None).await?;
    if out.is_json() {
        out.document(&kept)?;
    } else {
        out.line(&format!("{}  {model} is held against {rows} rows, {} at a time", good("kept"), kept.window))?;
    }
    Ok(Exit::Success)
}

/// The columns of the only input, or each of the input that it is called by.
fn of_inputs(ports: &[String], columns: Vec<BaselineColumnDraft>) -> BTreeMap<String, Vec<BaselineColumnDraft>> {
    let names: Vec<&str> = ports.iter().filter_map(|port| Some(port.rsplit_once(": ")?.0)).collect();
    match names.as_slice() {
        [only] => BTreeMap::from([((*only).to_owned(), columns)]),
        _ => columns.into_iter().map(|column| (column.name.clone(), vec![column])).collect(),
    }
}

/// How many rows a file has, and what its columns are like.
fn columns(file: &Path, bytes: &[u8]) -> Result<(u64, Vec<BaselineColumnDraft>), CommandError> {
    let unfit = |why: String| unreadable(file, io::Error::new(io::ErrorKind::InvalidData, why));
    if bytes.len() as u64 > ROWS_BYTES_MAX {
        return Err(unfit(format!("it has more than {ROWS_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| unfit(error.to_string()))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let field = |field: &str| field.trim().trim_matches('"').to_owned();
    let names: Vec<String> = lines.next().map_or_else(Vec::new, |(_, line)| line.split(',').map(field).collect());
    let mut values = vec![Vec::<f64>::new(); names.len()];
    let mut rows = 0;
    for (at, line) in lines {
        let mut fields = line.split(',');
        for (name, column) in names.iter().zip(&mut values) {
            let text = fields.next().map(field).ok_or_else(|| unfit(format!("line {} is too short", at + 1)))?;
            let value = match text.to_ascii_lowercase().as_str() {
                "" | "na" | "nan" | "null" => continue,
                "true" => Some(1.0),
                "false" => Some(0.0),
                number => number.parse::<f64>().ok().filter(|value| value.is_finite()),
            };
            column.push(value.ok_or_else(|| unfit(format!("line {}: `{text}` of `{name}` is no number", at + 1)))?);
        }
        if fields.next().is_some() {
            return Err(unfit(format!("line {} is too long", at + 1)));
        }
        rows += 1;
    }
    let column = |(name, values): (String, Vec<f64>)| {
        let quantiles = quantiles(values).ok_or_else(|| unfit(format!("`{name}` has no number")))?;
        Ok(BaselineColumnDraft { name, quantiles })
    };
    let columns: Result<Vec<_>, CommandError> = names.into_iter().zip(values).map(column).collect();
    Ok((rows, columns?))
}

/// Shows how far a model's inputs are from its baseline.
///
/// # Errors
/// When the host refuses.
pub async fn drift(model: &ModelName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let drift: DriftView = session.client.get(&at(session, model).at("drift")).await?;
    if out.is_json() {
        out.document(&drift)?;
        return Ok(Exit::Success);
    }
    let Some(BaselineView { rows, window, psi, ks, .. }) = &drift.baseline else {
        out.line(&format!("{}  has no baseline", strong(model.as_str())))?;
        return Ok(Exit::Success);
    };
    out.line(&format!(
        "{}  against {rows} rows, {window} at a time: PSI {psi}, KS {ks} at most",
        strong(model.as_str())
    ))?;
    for VersionDriftView { version, rows, unfit, last } in &drift.versions {
        let unfit = if *unfit == 0 { String::new() } else { format!(", {unfit} questions with other columns") };
        out.line(&format!("{}  {rows} of {window} rows{unfit}", version.short()))?;
        let Some(last) = last else { continue };
        out.line(&format!("{}  {} rows", last.at, last.rows))?;
        let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.3}"));
        let row = |column: &ColumnDriftView| {
            let ColumnDriftView { input, column, psi, ks, missing, drifted } = column;
            let word = if *drifted { "drifted" } else { "" };
            [input.clone(), column.clone(), number(*psi), number(*ks), missing.to_string(), word.to_owned()]
        };
        out.table(["INPUT", "COLUMN", "PSI", "KS", "MISSING", ""], last.columns.iter().map(row).collect())?;
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_of_drift_is_read_of_rows_of_numbers() {
        let read = |text: &str| columns(Path::new("rows.csv"), text.as_bytes());
        let (rows, all) = read("amount,\"foreign\"\n1.5,true\n\n2.5,\n-1e3,0\r\n").unwrap();
        let ends = |at: usize| (all[at].name.as_str(), all[at].quantiles[0], all[at].quantiles[100]);
        assert_eq!((rows, ends(0), ends(1)), (3, ("amount", -1000.0, 2.5), ("foreign", 0.0, 1.0)));
        for (text, why) in [
            ("a,b\n1\n", "line 2 is too short"),
            ("a\n1,2\n", "line 2 is too long"),
            ("a\n1\nx\n", "line 3: `x` of `a` is no number"),
            ("a\ninf\n", "no number"),
            ("a\n", "`a` has no number"),
        ] {
            let error = read(text).unwrap_err();
            let said = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            assert!(said.contains(why), "{said}");
        }
        let column = |name: &str| BaselineColumnDraft { name: name.to_owned(), quantiles: Vec::new() };
        let of = |ports: &[&str]| {
            let ports: Vec<_> = ports.iter().map(|port| (*port).to_owned()).collect();
            let all = of_inputs(&ports, vec![column("a"), column("b")]);
            all.into_iter().map(|(input, columns)| (input, columns.len())).collect::<Vec<_>>()
        };
        assert_eq!(of(&["x: f32[N, 2]"]), [("x".to_owned(), 2)]);
        assert_eq!(of(&["a: f32[N, 1]", "b: f32[N, 1]"]), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    }
}

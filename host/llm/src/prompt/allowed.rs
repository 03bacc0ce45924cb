//! What a template of a prompt may use. Whatever is not listed here is refused, also what later versions of the engine add.
//!
//! Invariant: nothing in a template makes a text or a list longer than what it is given, but for filters, whose bytes are counted; nothing in it calls anything; and
//! it is not deep: what walks through it by recursion is no danger to its thread.

use minijinja::{
    Error,
    machinery::{
        Token,
        ast::{BinOpKind, CallArg, Expr, Stmt},
        parse, tokenize,
    },
};

use super::{
    PromptError,
    filters::{FILTERS, TESTS},
    said,
};
use crate::limits::{TAG_TOKENS_MAX, TEMPLATE_CASES_MAX};

/// Looks at a template.
pub(super) fn check(name: &'static str, text: &str) -> Result<(), PromptError> {
    let broken = |error: Error| PromptError::Template(said(&error));
    is_flat(name, text)?;
    let parsed = parse(text, name, Default::default(), Default::default()).map_err(broken)?;
    Walk { template: name }.statement(&parsed)
}

/// Whether a template is so flat that it can be parsed and walked through: its tags are short, and so are its cases.
fn is_flat(template: &'static str, text: &str) -> Result<(), PromptError> {
    let (mut of_tag, mut cases) = (0, 0);
    for token in tokenize(text, false, Default::default(), Default::default()) {
        let (token, span) = token.map_err(|error| PromptError::Template(said(&error)))?;
        let unknown = |what: String| PromptError::Unknown { template, line: span.start_line.into(), what };
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => of_tag = 0,
            Token::Ident("elif") if of_tag == 0 => cases += 1,
            _ => of_tag += 1,
        }
        if of_tag > TAG_TOKENS_MAX {
            return Err(unknown(format!("a tag of more than {TAG_TOKENS_MAX} words and signs")));
        }
        if cases > TEMPLATE_CASES_MAX {
            return Err(unknown(format!("more than {TEMPLATE_CASES_MAX} `elif`")));
        }
    }
    Ok(())
}

/// A walk through a template.
struct Walk {
    template: &'static str,
}

type Walked = Result<(), PromptError>;

impl Walk {
    fn refuse(&self, line: u16, what: impl Into<String>) -> Walked {
        Err(PromptError::Unknown { template: self.template, line: line.into(), what: what.into() })
    }

    fn all(&self, statements: &[Stmt<'_>]) -> Walked {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    #[allow(unreachable_patterns, reason = "there are more where another crate asks for more features of the engine")]
    fn statement(&self, statement: &Stmt<'_>) -> Walked {
        match statement {
            Stmt::Template(it) => self.all(&it.children),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(it) => self.expression(&it.expr),
            Stmt::ForLoop(it) => {
                if it.recursive {
                    return self.refuse(it.span().start_line, "a `for` that calls itself");
                }
                self.expression(&it.iter)?;
                it.filter_expr.iter().try_for_each(|filter| self.expression(filter))?;
                self.all(&it.body)?;
                self.all(&it.else_body)
            }
            Stmt::IfCond(it) => {
                self.expression(&it.expr)?;
                self.all(&it.true_body)?;
                self.all(&it.false_body)
            }
            Stmt::WithBlock(it) => {
                it.assignments.iter().try_for_each(|(_, value)| self.expression(value))?;
                self.all(&it.body)
            }
            Stmt::Set(it) => self.expression(&it.expr),
            Stmt::SetBlock(it) => self.refuse(it.span().start_line, "a `set` of a block"),
            Stmt::AutoEscape(it) => self.refuse(it.span().start_line, "`autoescape`"),
            Stmt::FilterBlock(it) => self.refuse(it.span().start_line, "`filter`"),
            Stmt::Do(it) => self.refuse(it.span().start_line, "`do`"),
            _ => self.refuse(0, "a statement that is not known"),
        }
    }

    fn expression(&self, expression: &Expr<'_>) -> Walked {
        match expression {
            Expr::Var(_) | Expr::Const(_) => Ok(()),
            Expr::UnaryOp(it) => self.expression(&it.expr),
            Expr::BinOp(it) => {
                if let Some(sign) = refused(&it.op) {
                    return self.refuse(it.span().start_line, format!("`{sign}`"));
                }
                self.expression(&it.left)?;
                self.expression(&it.right)
            }
            Expr::Compare(it) => {
                self.expression(&it.expr)?;
                it.ops.iter().try_for_each(|other| self.expression(&other.expr))
            }
            Expr::IfExpr(it) => {
                self.expression(&it.test_expr)?;
                self.expression(&it.true_expr)?;
                it.false_expr.iter().try_for_each(|other| self.expression(other))
            }
            Expr::Filter(it) => {
                self.listed(("filter", it.name, &FILTERS), it.span().start_line)?;
                it.expr.iter().try_for_each(|of| self.expression(of))?;
                self.arguments(&it.args, it.span().start_line)
            }
            Expr::Test(it) => {
                self.listed(("test", it.name, &TESTS), it.span().start_line)?;
                self.expression(&it.expr)?;
                self.arguments(&it.args, it.span().start_line)
            }
            Expr::GetAttr(it) => self.expression(&it.expr),
            Expr::GetItem(it) => {
                self.expression(&it.expr)?;
                self.expression(&it.subscript_expr)
            }
            // What is written down is as long as it is; what is made of values could grow with each use.
            Expr::List(it) if it.as_const().is_some() => Ok(()),
            Expr::Map(it) if it.as_const().is_some() => Ok(()),
            Expr::List(it) => self.refuse(it.span().start_line, "a list of what is given"),
            Expr::Map(it) => self.refuse(it.span().start_line, "an object of what is given"),
            Expr::Slice(it) => self.refuse(it.span().start_line, "a slice"),
            Expr::Call(it) => self.refuse(it.span().start_line, "a call"),
        }
    }

    fn listed(&self, (what, name, known): (&str, &str, &[&str]), line: u16) -> Walked {
        if known.contains(&name) {
            return Ok(());
        }
        self.refuse(line, format!("the {what} `{name}` (there are {})", known.join(", ")))
    }

    fn arguments(&self, arguments: &[CallArg<'_>], line: u16) -> Walked {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) => self.expression(value),
            CallArg::Kwarg(name, _) => self.refuse(line, format!("an argument by name, `{name}`")),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => self.refuse(line, "arguments out of a list"),
        })
    }
}

/// The sign of what makes something longer, or a number large.
const fn refused(op: &BinOpKind) -> Option<&'static str> {
    match op {
        BinOpKind::Add => Some("+"),
        BinOpKind::Mul => Some("*"),
        BinOpKind::Pow => Some("**"),
        BinOpKind::Concat => Some("~"),
        BinOpKind::Eq
        | BinOpKind::Ne
        | BinOpKind::Lt
        | BinOpKind::Lte
        | BinOpKind::Gt
        | BinOpKind::Gte
        | BinOpKind::ScAnd
        | BinOpKind::ScOr
        | BinOpKind::Sub
        | BinOpKind::Div
        | BinOpKind::FloorDiv
        | BinOpKind::Rem
        | BinOpKind::In => None,
    }
}

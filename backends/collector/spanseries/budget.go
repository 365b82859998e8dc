package spanseries

// shares of all series up to which labels with so much detail get new ones, by the steps of `coarser`. What is coarse has room
// when detail has used up its own.
var shares = [5]float64{0.6, 0.7, 0.8, 0.95, 1}

// budget says which labels have series of their own.
type budget struct {
	max, maxValues int
	used           int
	ofService      map[string]int
	values         map[place]map[string]struct{}
}

// place is a label of a service, or of all services if that is empty.
type place struct{ label, service string }

func newBudget(max, maxValues int) *budget {
	return &budget{max: max, maxValues: maxValues, ofService: map[string]int{}, values: map[place]map[string]struct{}{}}
}

// bounded replaces values beyond the limit of their label.
func (b *budget) bounded(l labels) labels {
	l.service = b.value("service", "", l.service)
	l.environment = b.value("environment", "", l.environment)
	l.operation = b.value("operation", "", l.operation)
	l.tenant = b.value("tenant", l.service, l.tenant)
	l.name = b.value("name", l.service, l.name)
	l.provider = b.value("provider", l.service, l.provider)
	l.model = b.value("model", l.service, l.model)
	l.error = b.value("error", l.service, l.error)
	return l
}

func (b *budget) value(label, service, value string) string {
	if value == "" {
		return ""
	}
	known := b.values[place{label, service}]
	if _, found := known[value]; found {
		return value
	}
	if len(known) >= b.maxValues {
		return overflow
	}
	if known == nil {
		known = map[string]struct{}{}
		b.values[place{label, service}] = known
	}
	known[value] = struct{}{}
	return value
}

// admits counts `series` more for labels of a step, if there is room. One service gets at most half.
func (b *budget) admits(l labels, step, series int) bool {
	last := step == len(shares)-1
	if !last && (float64(b.used+series) > shares[step]*float64(b.max) || b.ofService[l.service]+series > b.max/2) {
		return false
	}
	b.used += series
	b.ofService[l.service] += series
	return true
}

func (b *budget) give(l labels, series int) {
	b.used -= series
	b.ofService[l.service] -= series
}

// forgetValues lets values come anew; those in use are counted again.
func (b *budget) forgetValues() {
	clear(b.values)
}
